/**
 * Watching: the live channel of a place, kept open. Whoever loses the connection comes back: when the gateway asked for it by a
 * `reconnect` frame, after as long as that says, so that a crowd is spread; else after a moment of chance.
 */

import { Counter, Rate, Trend } from 'k6/metrics';
import { WebSocket } from 'k6/websockets';

import { ONSALE_URL } from './config.js';
import { msOf } from './http.js';

const PROTOCOL = 'v1.onsale';
const BACK_AFTER_MS = [500, 2_000];

const lag = new Trend('socket_frame_lag', true);
const opened = new Rate('sockets_opened');
const drops = new Counter('socket_drops');

const between = ([least, most]) => least + Math.random() * (most - least);

/** One place, watched until it is closed. */
export class Watch {
  #fan;
  #onFrame;
  #socket = null;
  #isOver = false;
  #backAfterMs = null;

  /** @param fan has `sale`, `place` and `address` @param onFrame is given each frame */
  constructor(fan, onFrame) {
    this.#fan = fan;
    this.#onFrame = onFrame;
    this.#open();
  }

  /** Ends it for good. */
  close() {
    this.#isOver = true;
    if (this.#socket) this.#socket.close();
  }

  /** Loses the connection, as a network does, and comes back after so long. */
  drop(backAfterMs) {
    this.#backAfterMs = backAfterMs;
    if (this.#socket) this.#socket.close();
  }

  #open() {
    const { sale, place, address } = this.#fan;
    const params = { headers: { 'X-Forwarded-For': address }, tags: { name: 'live' } };
    const socket = new WebSocket(`${ONSALE_URL.replace(/^http/, 'ws')}/v1/sales/${sale}/live`, [PROTOCOL], params);
    this.#socket = socket;
    let isOpen = false;
    let hasEnded = false;
    const ends = () => {
      if (hasEnded) return;
      hasEnded = true;
      if (!isOpen) opened.add(false);
      this.#comesBack();
    };
    socket.onopen = () => {
      isOpen = true;
      opened.add(true);
      if (this.#isOver) socket.close();
      else socket.send(JSON.stringify({ place }));
    };
    socket.onmessage = (event) => this.#hears(event.data);
    socket.onerror = ends;
    socket.onclose = ends;
  }

  #hears(data) {
    const frame = JSON.parse(data);
    const sent = msOf(frame.server_time);
    if (sent > 0) lag.add(Math.max(0, Date.now() - sent), { name: 'live' });
    if (frame.type === 'reconnect') this.#backAfterMs = frame.data.after_ms;
    if (!this.#isOver) this.#onFrame(frame);
  }

  #comesBack() {
    this.#socket = null;
    if (this.#isOver) return;
    drops.add(1);
    const after = this.#backAfterMs ?? between(BACK_AFTER_MS);
    this.#backAfterMs = null;
    setTimeout(() => {
      if (!this.#isOver) this.#open();
    }, after);
  }
}
