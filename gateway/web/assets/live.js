/**
 * The live channel of a place, or of an entry of the waitlist: opened, watched over and opened again for as long as it is wanted.
 *
 * Which kind of connection, and when, says the ladder. One that brings no first frame in time does not get through and is
 * given up: some proxies accept a connection and pass nothing on. So is one that the ladder wants replaced by a better kind.
 *
 * @typedef {{type: string, data: any}} Frame
 * @typedef {string | {entry: string, token: string}} Who a place's token, or an entry and either of its tokens
 * @typedef {{status: number, advisedMs?: number}} End `status` of the answer, 0 when there was none
 * @typedef {{frame: (frame: Frame) => void, closed: (end: End) => void}} ChannelHeard `closed` is told once, unless the page closed it
 * @typedef {{close: () => void}} Channel
 */

import { openStream } from './event_stream.js';
import { Ladder } from './ladder.js';
import { openSocket } from './socket.js';

/** How long the first frame may take. Slow networks need two or three seconds for it. */
const FIRST_FRAME_MAX_MS = 6_000;
const OPEN = { socket: openSocket, stream: openStream };

/** Keeps one channel open. */
export class Live {
  #sale;
  #who;
  #heard;
  #ladder = new Ladder();
  /** @type {Channel | null} */
  #channel = null;
  #openedAt = 0;
  #isHeard = false;
  #advisedMs = 0;
  #timer = 0;

  /**
   * @param {string} sale
   * @param {Who} who
   * @param {{frame: (frame: Frame) => void, down: (end: End) => void}} heard
   */
  constructor(sale, who, heard) {
    this.#sale = sale;
    this.#who = who;
    this.#heard = heard;
  }

  /** Whether the connection there is brought something. */
  get isHeard() {
    return this.#isHeard;
  }

  /** Opens a connection at once, in place of the one there is. */
  open() {
    this.close();
    this.#openedAt = Date.now();
    this.#channel = OPEN[this.#ladder.transport](this.#sale, this.#who, {
      frame: (frame) => this.#frame(frame),
      closed: (end) => this.#closed(end),
    });
    this.#timer = setTimeout(() => this.giveUp(), FIRST_FRAME_MAX_MS);
  }

  /** Closes the connection there is, if any, and plans no other; `open` opens one again. */
  close() {
    clearTimeout(this.#timer);
    this.#channel?.close();
    this.#channel = null;
    this.#isHeard = false;
  }

  /** Replaces a connection that brings nothing. */
  giveUp() {
    this.#channel?.close();
    this.#closed({ status: 0 });
  }

  /** @param {Frame} frame */
  #frame(frame) {
    if (!this.#isHeard) this.#stay();
    this.#isHeard = true;
    if (frame.type === 'reconnect') this.#advisedMs = frame.data.after_ms;
    else this.#heard.frame(frame);
  }

  /** What is heard stays, or makes room for a better kind in time. */
  #stay() {
    clearTimeout(this.#timer);
    const stayMs = this.#ladder.heard();
    if (stayMs < Infinity) this.#timer = setTimeout(() => this.giveUp(), stayMs);
  }

  /** @param {End} end */
  #closed(end) {
    const life = { isHeard: this.#isHeard, livedMs: Date.now() - this.#openedAt, advisedMs: this.#advisedMs || end.advisedMs };
    this.close();
    this.#advisedMs = 0;
    this.#timer = setTimeout(() => this.open(), this.#ladder.ended(life));
    this.#heard.down(end);
  }
}
