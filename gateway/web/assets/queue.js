/**
 * Following a place in the queue.
 *
 * The live channel brings each change. While it brings nothing, the place is polled as often as the server asks, which also
 * keeps it alive. A channel that stays silent is checked by one poll: when the answer is news, the channel is dead and is
 * replaced. When the sale is over, so is the watch. Waking up (a visible tab, a page taken from the back/forward cache, a
 * network that returned) asks at once. Losing the connection never loses the place.
 *
 * Numbers do not flicker: a poll that was overtaken by a frame is dropped, and so is a frame about another place, which
 * the cookie of this browser may have told the server before this page could speak.
 *
 * | heard    | when |
 * |----------|------|
 * | position | the full position changed: state, people ahead, estimate, availability, pass, pause, notice |
 * | link     | how news comes from now on: `live`, `polled`, `none` |
 * | trouble  | there is no connection (a Problem), or there is one again (null) |
 * | lost     | the server does not know this place any more |
 */

import { Problem, positionOf } from './api.js';
import { Live } from './live.js';
import { delayMs } from './patience.js';

/** Frames come when something changed. A channel silent for longer than this is checked; near the turn, sooner. */
const SILENCE_MAX_MS = 120_000;
const SILENCE_NEAR_MAX_MS = 30_000;
/** From here on one is near. */
const NEAR = 1_000;
/** After so long without a frame a page that wakes up takes no chances with its connection. */
const STALE_AFTER_MS = 60_000;
/** How long the first frame may take before the place is polled beside it. */
const BRIDGE_AFTER_MS = 3_000;
/** Until then a poll bridges the gap, within 2 s: a turn waits for nobody. */
const BRIDGE_DOUBLINGS = 2;
/** When the server does not say how often to poll. Below the 15 s after which a place counts as silent. */
const POLL_DEFAULT_MS = 2_000;
/** Polls in a row that fail before the person is told. */
const FAILURES_UNSAID = 1;
/** States of a sale after which a place leads nowhere. */
const SALE_OVER = new Set(['closed', 'cancelled']);
const PLACE_GONE = new Set([401, 404]);

/**
 * @typedef {object} Heard
 * @property {(position: any) => void} position
 * @property {(link: 'live' | 'polled' | 'none') => void} link
 * @property {(problem: Problem | null) => void} trouble
 * @property {() => void} lost
 */

/** Follows one place until it is stopped. */
export class PlaceWatch {
  #sale;
  #place;
  #heard;
  #live;
  /** @type {any} */
  #position = null;
  /** @type {number | null | undefined} undefined until it is known whose number it is */
  #number;
  #lastFrameAt = 0;
  #isTroubled = false;
  #pollFailures = 0;
  #pollTimer = 0;
  #pollDueAt = 0;
  #silenceTimer = 0;
  #stopped = new AbortController();

  /** @param {string} sale @param {{token: string, number?: number | null}} place @param {Heard} heard */
  constructor(sale, { token, number }, heard) {
    this.#sale = sale;
    this.#place = token;
    this.#number = number;
    this.#heard = heard;
    this.#live = new Live(sale, token, { frame: (frame) => this.#frame(frame), down: (end) => this.#down(end) });
    const { signal } = this.#stopped;
    addEventListener('pagehide', () => this.#sleep(), { signal });
    addEventListener('pageshow', (event) => event.persisted && this.#reopen(), { signal });
    addEventListener('online', () => this.#reopen(), { signal });
    addEventListener('offline', () => this.#heard.link('none'), { signal });
    document.addEventListener('resume', () => this.#reopen(), { signal });
    document.addEventListener('visibilitychange', () => this.#seen(), { signal });
    this.#begin();
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

  async #begin() {
    if (this.#number === undefined) await this.resync();
    if (this.#stopped.signal.aborted) return;
    this.#live.open();
    this.#pollWithin(BRIDGE_AFTER_MS);
  }

  #seen() {
    if (document.visibilityState !== 'visible') return;
    if (Date.now() - this.#lastFrameAt > STALE_AFTER_MS) this.#reopen();
    else if (!this.#isFresh) this.resync();
  }

  /** After sleep, or on another network, the old connection is dead, though nobody may have noticed yet. */
  #reopen() {
    this.#live.open();
    this.resync();
  }

  /** Whether a frame came lately, so that there is nothing to ask. */
  get #isFresh() {
    return this.#live.isHeard && Date.now() - this.#lastFrameAt < this.#silenceMaxMs;
  }

  #sleep() {
    this.#cancelPoll();
    clearTimeout(this.#silenceTimer);
    this.#live.close();
  }

  /** @param {import('./live.js').End} end */
  #down({ status }) {
    clearTimeout(this.#silenceTimer);
    if (PLACE_GONE.has(status)) return this.#lose();
    return this.#pollWithin(delayMs(BRIDGE_DOUBLINGS));
  }

  /** @param {import('./live.js').Frame} frame */
  #frame({ type, data }) {
    this.#lastFrameAt = Date.now();
    this.#listen();
    if (type === 'error') return this.#refused(new Problem(data), 'now');
    this.#pollFailures = 0;
    this.#cancelPoll();
    this.#trouble(null);
    this.#heard.link('live');
    switch (type) {
      case 'position': return this.#tell(data);
      case 'admitted': return this.#tell({ ...this.#position, ...data, state: 'admitted' });
      case 'availability': return this.#tell({ ...this.#position, availability: data.availability ?? data });
      case 'sale': return this.#tell(withSale(this.#position, data));
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

  /** @param {any} position */
  #tell(position) {
    const { state, number, sale_state: sale } = position;
    if (this.#number && number && number !== this.#number) return;
    this.#number = number ?? this.#number ?? null;
    this.#position = position;
    if (state) this.#heard.position(position);
    if (SALE_OVER.has(sale)) this.stop();
  }

  get #silenceMaxMs() {
    return (this.#position?.ahead ?? 0) < NEAR ? SILENCE_NEAR_MAX_MS : SILENCE_MAX_MS;
  }

  async #poll() {
    const askedAt = Date.now();
    try {
      const position = await positionOf(this.#sale, this.#place);
      if (this.#stopped.signal.aborted) return;
      this.#pollFailures = 0;
      this.#trouble(null);
      this.#replaceDeadChannel(position);
      if (!this.#live.isHeard) this.#heard.link('polled');
      if (this.#lastFrameAt < askedAt) this.#tell(position);
      this.#pollIn(position.poll_after_ms);
    } catch (failure) {
      if (!this.#stopped.signal.aborted) this.#refused(failure);
    }
  }

  /** A channel that did not bring what a poll brought is a dead one. @param {any} polled */
  #replaceDeadChannel(polled) {
    if (!this.#live.isHeard || this.#isFresh) return;
    this.#listen();
    if (polled.state !== this.#position?.state || polled.ahead !== this.#position?.ahead) this.#live.giveUp();
  }

  /**
   * Polls by then. A channel that fails again and again must not put a planned poll off, nor bring one forward that waits
   * because polls fail.
   * @param {number} ms
   */
  #pollWithin(ms) {
    const isPlanned = this.#pollTimer !== 0;
    if (isPlanned && (this.#pollFailures > 0 || this.#pollDueAt <= Date.now() + ms)) return;
    this.#pollIn(ms);
  }

  /** Polls then, when no channel brings what there is to know. @param {number} [ms] */
  #pollIn(ms = POLL_DEFAULT_MS) {
    this.#cancelPoll();
    if (this.#stopped.signal.aborted || (this.#live.isHeard && this.#pollFailures === 0)) return;
    this.#pollDueAt = Date.now() + ms;
    this.#pollTimer = setTimeout(() => this.resync(), ms);
  }

  #cancelPoll() {
    clearTimeout(this.#pollTimer);
    this.#pollTimer = 0;
  }

  #lose() {
    this.stop();
    this.#trouble(null);
    this.#heard.lost();
  }

  /** @param {unknown} failure @param {'now' | 'when it lasts'} [told] */
  #refused(failure, told = 'when it lasts') {
    const problem = failure instanceof Problem ? failure : new Problem({ code: 'unreadable' });
    if (problem.code === 'sale_closed') {
      this.#tell({ state: 'waiting', ...this.#position, sale_state: 'closed' });
      return;
    }
    if (PLACE_GONE.has(problem.status)) {
      this.#lose();
      return;
    }
    this.#pollFailures += 1;
    if (told === 'now' || this.#pollFailures > FAILURES_UNSAID) {
      this.#trouble(problem);
      this.#heard.link('none');
    }
    this.#pollIn(Math.max(problem.retryAfterMs, delayMs(this.#pollFailures)));
  }
}

/** A position with what a frame says of the sale; what it does not say stays. @param {any} position @param {any} data */
function withSale(position, { state, ...rest }) {
  const known = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return { ...position, ...known, ...(state && { sale_state: state }) };
}
