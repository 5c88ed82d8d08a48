/**
 * Following a place in the queue.
 *
 * The live channel brings each change. While it brings nothing, the place is polled as often as the server asks, which also
 * keeps it alive. A channel that stays silent is checked by one poll: when the answer is news, the channel is dead and is
 * replaced. When the sale is over, so is the watch. Waking up (a visible tab, a page taken from the back/forward cache, a
 * network that returned) asks at once. Losing the connection never loses the place.
 *
 * What reaches everybody at once must not make everybody ask at once: the silence that is put up with is random, and
 * trouble that a channel tells of is waited out on that channel.
 *
 * Numbers do not flicker: a poll that was overtaken by a frame is dropped. So is what a channel says of another place, which
 * the cookie of this browser may have told the server before this page could speak. Whose a channel is shows in the number
 * it tells; which number this place has, only the answer to its token says, or the draw on a channel known to be its own.
 *
 * | heard    | when |
 * |----------|------|
 * | position | the full position changed: state, people ahead, estimate, availability, pass, pause, notice |
 * | link     | how news comes from now on: `live`, `polled`, `none`; `polled` at each poll |
 * | seats    | seats changed; told to those inside, by a channel only |
 * | trouble  | there is no connection (a Problem), or there is one again (null) |
 * | lost     | the server does not know this place any more |
 */

import { Problem, positionOf } from './api.js';
import { msUntil } from './clock.js';
import { Live } from './live.js';
import { delayMs } from './patience.js';

/** Frames come when something changed. A channel silent for so long, or up to twice as long, is checked; near the turn, sooner. */
const SILENCE_MIN_MS = 120_000;
const SILENCE_NEAR_MIN_MS = 30_000;
/** From here on one is near. */
const NEAR = 1_000;
/** So long before the draw it is near: longer than any silence that is put up with. */
const NEAR_DRAW_MS = 300_000;
/** A channel that brought a frame so lately is not checked: far back too, one looks every few seconds for what is news. */
const FRESH_MS = 30_000;
/** Waking up is told in up to four ways, all within this time. */
const WAKE_MS = 250;
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
 * @property {(delta: import('./seat_plan.js').Delta) => void} seats
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
  /** @type {number | null | undefined} undefined until the answer to the token said it; null before the draw */
  #number;
  /** @type {number | null | undefined} What the last position on this channel was about; undefined before the first. */
  #channelNumber;
  #lastFrameAt = 0;
  /** When the channel last brought news of this place. */
  #lastNewsAt = 0;
  #isTroubled = false;
  #pollFailures = 0;
  #pollTimer = 0;
  #pollDueAt = 0;
  #silenceTimer = 0;
  #wakeTimer = 0;
  #isChannelStale = false;
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
    addEventListener('pageshow', (event) => event.persisted && this.#reconnected(), { signal });
    addEventListener('online', () => this.#reconnected(), { signal });
    addEventListener('offline', () => this.#heard.link('none'), { signal });
    document.addEventListener('resume', () => this.#reconnected(), { signal });
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && this.#wake(), { signal });
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
    this.#open();
    this.#pollWithin(BRIDGE_AFTER_MS);
  }

  #open() {
    this.#channelNumber = undefined;
    this.#live.open();
  }

  /** After sleep, or on another network, the old connection is dead, though nobody may have noticed yet. */
  #reconnected() {
    this.#isChannelStale = true;
    this.#wake();
  }

  /** Looks once at what several events tell at the same time. */
  #wake() {
    this.#wakeTimer ||= setTimeout(() => this.#look(), WAKE_MS);
  }

  /** A tab that is only looked at again asks first: the answer shows whether its channel is dead. */
  #look() {
    const [isStale, isFresh] = [this.#isChannelStale, this.#isFresh];
    this.#wakeTimer = 0;
    this.#isChannelStale = false;
    if (isStale) this.#open();
    if (isStale || !isFresh) this.resync();
  }

  /** Whether the channel brings what there is to know of this place. */
  get #isTold() {
    return this.#live.isHeard && this.#channelNumber !== undefined && this.#channelNumber === this.#number;
  }

  /** Whether the channel was heard lately, so that there is nothing to ask. */
  get #isFresh() {
    return this.#isTold && Date.now() - this.#lastFrameAt < FRESH_MS;
  }

  #sleep() {
    this.#cancelPoll();
    clearTimeout(this.#silenceTimer);
    clearTimeout(this.#wakeTimer);
    this.#wakeTimer = 0;
    this.#live.close();
  }

  /** @param {import('./live.js').End} end */
  #down({ status }) {
    clearTimeout(this.#silenceTimer);
    this.#channelNumber = undefined;
    if (PLACE_GONE.has(status)) return this.#lose();
    return this.#pollWithin(delayMs(BRIDGE_DOUBLINGS));
  }

  /** @param {import('./live.js').Frame} frame */
  #frame({ type, data }) {
    this.#lastFrameAt = Date.now();
    if (type === 'error') return this.#troubledChannel(new Problem(data));
    if (type === 'position') this.#recognise(data.number ?? null);
    if (!this.#isTold) return this.#pollWithin(delayMs(BRIDGE_DOUBLINGS));
    this.#lastNewsAt = Date.now();
    this.#pollFailures = 0;
    this.#cancelPoll();
    this.#trouble(null);
    this.#heard.link('live');
    if (type === 'seats') this.#heard.seats(data);
    else this.#tell(withFrame(this.#position, type, data));
    return this.#listen();
  }

  /** Learns whose the channel is; the draw gives its place a number. @param {number | null} number */
  #recognise(number) {
    if (this.#isTold && this.#number === null) this.#number = number;
    this.#channelNumber = number;
  }

  /** The channel will say when it is over; all who hear it must not ask meanwhile. @param {Problem} problem */
  #troubledChannel(problem) {
    if (this.#isEnd(problem)) return;
    this.#trouble(problem);
    this.#heard.link('none');
    this.#listen();
  }

  #listen() {
    clearTimeout(this.#silenceTimer);
    if (this.#stopped.signal.aborted) return;
    this.#silenceTimer = setTimeout(() => this.resync(), silenceMinMs(this.#position) * (1 + Math.random()));
  }

  /** Tells trouble while it lasts, and once that it is over. @param {Problem | null} problem */
  #trouble(problem) {
    if (problem || this.#isTroubled) this.#heard.trouble(problem);
    this.#isTroubled = problem !== null;
  }

  /** @param {any} position */
  #tell(position) {
    const { state, sale_state: sale } = position;
    this.#position = position;
    if (state) this.#heard.position(position);
    if (SALE_OVER.has(sale)) this.stop();
  }

  async #poll() {
    const askedAt = Date.now();
    try {
      const position = await positionOf(this.#sale, this.#place);
      if (this.#stopped.signal.aborted) return;
      this.#pollFailures = 0;
      this.#number = position.number ?? this.#number ?? null;
      this.#trouble(null);
      this.#replaceDeadChannel(position);
      this.#heard.link(this.#isTold ? 'live' : 'polled');
      if (this.#lastNewsAt < askedAt) this.#tell(position);
      this.#pollIn(position.poll_after_ms);
    } catch (failure) {
      if (!this.#stopped.signal.aborted) this.#refused(failure);
    }
  }

  /** A channel that did not bring what a poll brought is a dead one. @param {any} polled */
  #replaceDeadChannel(polled) {
    if (!this.#isTold || this.#isFresh) return;
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
    if (this.#stopped.signal.aborted || (this.#isTold && this.#pollFailures === 0)) return;
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

  /** @param {unknown} failure */
  #refused(failure) {
    const problem = failure instanceof Problem ? failure : new Problem({ code: 'unreadable' });
    if (this.#isEnd(problem)) return;
    this.#pollFailures += 1;
    if (this.#pollFailures > FAILURES_UNSAID) {
      this.#trouble(problem);
      this.#heard.link('none');
    }
    this.#pollIn(delayMs(this.#pollFailures, problem.retryAfterMs));
  }

  /** Whether it ends the watch, which it then does. @param {Problem} problem */
  #isEnd(problem) {
    if (problem.code === 'sale_closed') this.#tell({ state: 'waiting', ...this.#position, sale_state: 'closed' });
    else if (PLACE_GONE.has(problem.status)) this.#lose();
    return this.#stopped.signal.aborted;
  }
}

/** How long a channel may be silent at least before it is checked. @param {any} position */
function silenceMinMs(position) {
  const isNear = position?.state === 'prequeue'
    ? msUntil(position.opens_at) < NEAR_DRAW_MS
    : (position?.ahead ?? 0) < NEAR;
  return isNear ? SILENCE_NEAR_MIN_MS : SILENCE_MIN_MS;
}

/** What is known once a frame was heard. @param {any} position @param {string} type @param {any} data */
function withFrame(position, type, data) {
  switch (type) {
    case 'position': return data;
    case 'admitted': return { ...position, ...data, state: 'admitted' };
    case 'availability': return { ...position, availability: data.availability ?? data, ...(data.odds && { odds: data.odds }) };
    case 'sale': return withSale(position, data);
    default: return position;
  }
}

/** A position with what a frame says of the sale; what it does not say stays. @param {any} position @param {any} data */
function withSale(position, { state, ...rest }) {
  const known = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return { ...position, ...known, ...(state && { sale_state: state }) };
}
