/**
 * Following a place in the queue.
 *
 * A socket brings each change. While there is none, the place is polled as often as the server asks, which also keeps
 * it alive; the socket is tried again with growing, jittered delays. A socket that stays silent is checked by one poll:
 * when the answer is news, the socket is dead and is replaced. When the sale is over, so is the watch. Waking up (a visible tab, a page taken from the
 * back/forward cache, a network that returned) asks at once. Losing the connection never loses the place.
 *
 * | heard     | when |
 * |-----------|------|
 * | position  | the full position changed: state, people ahead, estimate, availability, pass |
 * | notice    | the organizer says something to everyone |
 * | trouble   | there is no connection (a Problem), or there is one again (null) |
 * | lost      | the server does not know this place any more |
 */

import { Problem, positionOf } from './api.js';
import { delayMs } from './patience.js';
import { openSocket } from './socket.js';

/** A connection that lived this long was a good one: the next delay starts small again. */
const HEALTHY_MS = 10_000;
/** Frames come when something changed. A socket silent for longer than this is checked; near the turn, sooner. */
const SILENCE_MAX_MS = 120_000;
const SILENCE_NEAR_MAX_MS = 30_000;
/** From here on one is near. */
const NEAR = 1_000;
/** A gateway that falls over drops all its sockets at once; already the first delay spreads them, over up to 4 s. */
const FIRST_DOUBLINGS = 3;
/** Until then a poll bridges the gap, within 2 s: a turn waits for nobody. */
const BRIDGE_DOUBLINGS = 2;
/** How long the first frame may take before the place is polled. */
const FIRST_FRAME_MAX_MS = 3_000;
/** When the server does not say how often to poll. Below the 15 s after which a place counts as silent. */
const POLL_DEFAULT_MS = 2_000;
/** Polls in a row that fail before the person is told. */
const FAILURES_UNSAID = 1;
/** States of a sale after which a place leads nowhere. */
const SALE_OVER = new Set(['closed', 'cancelled']);

/**
 * @typedef {object} Heard
 * @property {(position: any) => void} position
 * @property {(text: string) => void} notice
 * @property {(problem: Problem | null) => void} trouble
 * @property {() => void} lost
 */

/** Follows one place until it is stopped. */
export class PlaceWatch {
  #sale;
  #place;
  #heard;
  /** @type {any} */
  #position = null;
  /** @type {{close: () => void} | null} */
  #socket = null;
  #openedAt = 0;
  #isHeard = false;
  #lastFrameAt = 0;
  #isTroubled = false;
  #socketFailures = 0;
  #pollFailures = 0;
  #advisedMs = 0;
  #reconnectTimer = 0;
  #pollTimer = 0;
  #pollDueAt = 0;
  #silenceTimer = 0;
  #stopped = new AbortController();

  /** @param {string} sale @param {string} place @param {Heard} heard */
  constructor(sale, place, heard) {
    this.#sale = sale;
    this.#place = place;
    this.#heard = heard;
    const { signal } = this.#stopped;
    addEventListener('pagehide', () => this.#sleep(), { signal });
    addEventListener('pageshow', (event) => event.persisted && this.#wake(), { signal });
    addEventListener('online', () => this.#wake(), { signal });
    document.addEventListener('visibilitychange', () => this.#seen(), { signal });
    this.#connect();
  }

  /** The token of the place that is followed. */
  get place() {
    return this.#place;
  }

  /** Ends it. */
  stop() {
    this.#stopped.abort();
    this.#sleep();
  }

  /** Asks the server now. */
  async resync() {
    this.#cancelPoll();
    await this.#poll();
  }

  #seen() {
    if (document.visibilityState === 'visible' && !this.#isFresh) this.resync();
  }

  #wake() {
    if (!this.#socket) this.#connect();
    if (!this.#isFresh) this.resync();
  }

  /** Whether a frame came lately, so that there is nothing to ask. */
  get #isFresh() {
    return this.#isHeard && Date.now() - this.#lastFrameAt < this.#silenceMaxMs;
  }

  #sleep() {
    clearTimeout(this.#reconnectTimer);
    this.#cancelPoll();
    clearTimeout(this.#silenceTimer);
    this.#socket?.close();
    this.#socket = null;
    this.#isHeard = false;
  }

  #connect() {
    clearTimeout(this.#reconnectTimer);
    this.#openedAt = Date.now();
    this.#socket = openSocket(this.#sale, this.#place, {
      frame: (frame) => this.#frame(frame),
      closed: () => this.#closed(),
    });
    this.#pollWithin(FIRST_FRAME_MAX_MS);
  }

  #closed() {
    this.#socket = null;
    clearTimeout(this.#silenceTimer);
    this.#socketFailures = this.#isHeard && Date.now() - this.#openedAt > HEALTHY_MS ? 0 : this.#socketFailures + 1;
    this.#isHeard = false;
    const delay = delayMs(FIRST_DOUBLINGS + this.#socketFailures, this.#advisedMs);
    this.#advisedMs = 0;
    this.#reconnectTimer = setTimeout(() => this.#connect(), delay);
    this.#pollWithin(delayMs(BRIDGE_DOUBLINGS));
  }

  /** @param {import('./socket.js').Frame} frame */
  #frame({ type, data }) {
    this.#isHeard = true;
    this.#lastFrameAt = Date.now();
    this.#listen();
    if (type === 'error') return this.#refused(new Problem(data), 'now');
    this.#pollFailures = 0;
    this.#cancelPoll();
    this.#trouble(null);
    switch (type) {
      case 'position': return this.#tell(data);
      case 'admitted': return this.#tell({ ...this.#position, ...data, state: 'admitted' });
      case 'availability': return this.#tell({ ...this.#position, availability: data.availability ?? data });
      case 'sale': return this.#saleSaid(data);
      case 'reconnect': this.#advisedMs = data.after_ms; return undefined;
      default: return undefined;
    }
  }

  #listen() {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => this.resync(), this.#silenceMaxMs);
  }

  /** Tells trouble while it lasts, and once that it is over. @param {Problem | null} problem */
  #trouble(problem) {
    if (problem || this.#isTroubled) this.#heard.trouble(problem);
    this.#isTroubled = problem !== null;
  }

  /** @param {any} data */
  #saleSaid(data) {
    if (data.notice) this.#heard.notice(data.notice.text ?? data.notice);
    if (data.state) this.#tell({ ...this.#position, sale_state: data.state });
  }

  /** @param {any} position */
  #tell(position) {
    this.#position = position;
    if (position.state) this.#heard.position(position);
    if (SALE_OVER.has(position.sale_state)) this.stop();
  }

  get #silenceMaxMs() {
    return (this.#position?.ahead ?? 0) < NEAR ? SILENCE_NEAR_MAX_MS : SILENCE_MAX_MS;
  }

  async #poll() {
    try {
      const position = await positionOf(this.#sale, this.#place);
      if (this.#stopped.signal.aborted) return;
      this.#pollFailures = 0;
      this.#trouble(null);
      this.#replaceDeadSocket(position);
      this.#tell(position);
      this.#pollIn(position.poll_after_ms);
    } catch (failure) {
      if (!this.#stopped.signal.aborted) this.#refused(failure);
    }
  }

  /** A socket that did not bring what a poll brought is a dead one. @param {any} polled */
  #replaceDeadSocket(polled) {
    if (!this.#isHeard || this.#isFresh) return;
    this.#listen();
    if (polled.state === this.#position?.state && polled.ahead === this.#position?.ahead) return;
    this.#socket?.close();
    this.#closed();
  }

  /**
   * Polls by then. A socket that fails again and again must not put a planned poll off, nor bring one forward that waits
   * because polls fail.
   * @param {number} ms
   */
  #pollWithin(ms) {
    const isPlanned = this.#pollTimer !== 0;
    if (isPlanned && (this.#pollFailures > 0 || this.#pollDueAt <= Date.now() + ms)) return;
    this.#pollIn(ms);
  }

  /** Polls then, when no socket brings what there is to know. @param {number} [ms] */
  #pollIn(ms = POLL_DEFAULT_MS) {
    this.#cancelPoll();
    if (this.#stopped.signal.aborted || (this.#isHeard && this.#pollFailures === 0)) return;
    this.#pollDueAt = Date.now() + ms;
    this.#pollTimer = setTimeout(() => this.resync(), ms);
  }

  #cancelPoll() {
    clearTimeout(this.#pollTimer);
    this.#pollTimer = 0;
  }

  /** @param {unknown} failure @param {'now' | 'when it lasts'} [told] */
  #refused(failure, told = 'when it lasts') {
    const problem = failure instanceof Problem ? failure : new Problem({ code: 'unreadable' });
    if (problem.code === 'sale_closed') {
      this.#tell({ state: 'waiting', ...this.#position, sale_state: 'closed' });
      return;
    }
    if (problem.status === 401 || problem.status === 404) {
      this.stop();
      this.#trouble(null);
      this.#heard.lost();
      return;
    }
    this.#pollFailures += 1;
    if (told === 'now' || this.#pollFailures > FAILURES_UNSAID) this.#trouble(problem);
    this.#pollIn(Math.max(problem.retryAfterMs, delayMs(this.#pollFailures)));
  }
}
