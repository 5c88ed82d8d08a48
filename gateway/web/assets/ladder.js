/**
 * Which kind of connection to try next, and when.
 *
 * A WebSocket is best. Where one does not get through (a proxy, a filter), an event stream often does, because it is an
 * ordinary answer that goes on. What was heard stays first choice; what was not, or breaks off at once again and again, is
 * left for the other. When neither gets through, both are tried again with growing, jittered delays while the page polls.
 *
 * | the connection ended         | next                | after |
 * |------------------------------|---------------------|-------|
 * | heard, lived long            | the same kind       | up to 4 s at random: a gateway that falls drops all of them at once |
 * | heard, short, the first time | the same kind       | the same, growing |
 * | heard, short, again          | the other kind      | the same, growing |
 * | not heard, other kind untried | the other kind     | at most half a second |
 * | not heard by either          | the WebSocket first | growing up to 30 s |
 */

import { delayMs } from './patience.js';

/** @typedef {'socket' | 'stream'} Transport */

/** A connection that lived this long was a good one. */
const HEALTHY_MS = 10_000;
/** A gateway that falls over drops all its connections at once; already the first delay spreads them. */
const FIRST_DOUBLINGS = 3;
/** Short lives in a row after which the other kind is tried: a proxy may cut one kind only. */
const SHORT_LIVES_MAX = 2;

/** Decides for one page. */
export class Ladder {
  /** @type {Transport} */
  #transport = 'socket';
  #failures = 0;
  #shortLives = 0;
  #unheard = 0;
  #random;

  /** @param {() => number} [random] */
  constructor(random = Math.random) {
    this.#random = random;
  }

  /** What to open next. @returns {Transport} */
  get transport() {
    return this.#transport;
  }

  /**
   * A connection ended by itself; how many milliseconds to wait before the next one.
   * @param {{isHeard: boolean, livedMs: number, advisedMs?: number}} life `advisedMs`: what the server asked for
   */
  ended({ isHeard, livedMs, advisedMs = 0 }) {
    return isHeard ? this.#broke(livedMs, advisedMs) : this.#blocked(advisedMs);
  }

  /** @param {number} livedMs @param {number} advisedMs */
  #broke(livedMs, advisedMs) {
    const isHealthy = livedMs > HEALTHY_MS || advisedMs > 0;
    this.#unheard = 0;
    this.#failures = isHealthy ? 0 : this.#failures + 1;
    this.#shortLives = isHealthy ? 0 : this.#shortLives + 1;
    if (this.#shortLives === SHORT_LIVES_MAX) this.#switch();
    return delayMs(FIRST_DOUBLINGS + this.#failures, advisedMs, this.#random);
  }

  /** @param {number} advisedMs */
  #blocked(advisedMs) {
    this.#unheard += 1;
    this.#switch();
    if (this.#unheard === 1) return delayMs(0, advisedMs, this.#random);
    this.#unheard = 0;
    this.#failures += 1;
    return delayMs(FIRST_DOUBLINGS + this.#failures, advisedMs, this.#random);
  }

  #switch() {
    this.#shortLives = 0;
    this.#transport = this.#transport === 'socket' ? 'stream' : 'socket';
  }
}
