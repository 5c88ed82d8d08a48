/**
 * Which kind of connection to try next, and when.
 *
 * A WebSocket is best. Where one does not get through (a proxy, a filter), an event stream often does, because it is an
 * ordinary answer that goes on. What was heard stays first choice; what was not, or breaks off at once again and again, is
 * left for the other. When neither gets through, both are tried again with growing, jittered delays while the page polls.
 *
 * A gateway that restarts must not leave its whole crowd on streams. So where a socket was heard before, one that fails is
 * tried again before the stream: that says more of the gateway than of the way. A stream that lived long is followed by a
 * socket, at a growing interval; where a socket was heard before, a stream is also given up for it after that interval.
 *
 * | the connection ended          | next                | after |
 * |-------------------------------|---------------------|-------|
 * | a socket, heard, lived long   | a socket            | up to 4 s at random: a gateway that falls drops all of them at once |
 * | a stream, heard, lived long   | a socket, if one is due, else a stream | the same |
 * | heard, short, the first time  | the same kind       | the same, growing |
 * | heard, short, again           | the other kind      | the same, growing |
 * | a socket, not heard, but one was before | a socket once more | the same, growing |
 * | not heard, other kind untried | the other kind      | at most half a second |
 * | not heard by either           | the WebSocket first | growing up to 30 s |
 */

import { delayMs } from './patience.js';

/** @typedef {'socket' | 'stream'} Transport */

/** A connection that lived this long was a good one. */
const HEALTHY_MS = 10_000;
/** A gateway that falls over drops all its connections at once; already the first delay spreads them. */
const FIRST_DOUBLINGS = 3;
/** Short lives in a row after which the other kind is tried: a proxy may cut one kind only. */
const SHORT_LIVES_MAX = 2;
/** How often a socket that is not heard is tried again before the stream, where one was heard before. */
const SPARE_TRIES = 1;
/** The interval: none at first, so that the end of the first stream counts; then so long, and twice as long each time. */
const RETURN_MIN_MS = 60_000;
const RETURN_MAX_MS = 32 * 60_000;

/** Decides for one page. */
export class Ladder {
  /** @type {Transport} */
  #transport = 'socket';
  #failures = 0;
  #shortLives = 0;
  #unheard = 0;
  /** Whether a socket was heard, and did not break again and again. */
  #isSocketProven = false;
  #spareTries = 0;
  #streamedMs = 0;
  #returnAfterMs = 0;
  #random;

  /** @param {() => number} [random] */
  constructor(random = Math.random) {
    this.#random = random;
  }

  /** What to open next. @returns {Transport} */
  get transport() {
    return this.#transport;
  }

  /** The connection brought something; for how many milliseconds it may stay, though it works. */
  heard() {
    if (this.#transport === 'socket') {
      this.#isSocketProven = true;
      this.#spareTries = SPARE_TRIES;
      return Infinity;
    }
    return this.#isSocketProven ? Math.max(RETURN_MIN_MS, this.#returnAfterMs) * (1 + this.#random()) : Infinity;
  }

  /**
   * A connection ended; how many milliseconds to wait before the next one.
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
    if (isHealthy) this.#lived(livedMs);
    if (this.#shortLives === SHORT_LIVES_MAX) this.#turnAway();
    return this.#delayMs(advisedMs);
  }

  /** A good connection: a socket stays, a stream gives way when it is time. @param {number} livedMs */
  #lived(livedMs) {
    if (this.#transport === 'socket') {
      this.#returnAfterMs = 0;
      return;
    }
    this.#streamedMs += livedMs;
    if (this.#streamedMs < this.#returnAfterMs) return;
    this.#streamedMs = 0;
    this.#returnAfterMs = Math.min(RETURN_MAX_MS, Math.max(RETURN_MIN_MS, 2 * this.#returnAfterMs));
    this.#switch();
  }

  /** @param {number} advisedMs */
  #blocked(advisedMs) {
    if (this.#transport === 'socket' && this.#spareTries > 0) {
      this.#spareTries -= 1;
      this.#failures += 1;
      return this.#delayMs(advisedMs);
    }
    this.#unheard += 1;
    this.#switch();
    if (this.#unheard === 1) return delayMs(0, advisedMs, this.#random);
    this.#unheard = 0;
    this.#failures += 1;
    return this.#delayMs(advisedMs);
  }

  /** @param {number} advisedMs */
  #delayMs(advisedMs) {
    return delayMs(FIRST_DOUBLINGS + this.#failures, advisedMs, this.#random);
  }

  /** A kind that breaks again and again is proven no longer. */
  #turnAway() {
    if (this.#transport === 'socket') {
      this.#isSocketProven = false;
      this.#spareTries = 0;
    }
    this.#switch();
  }

  #switch() {
    this.#shortLives = 0;
    this.#transport = this.#transport === 'socket' ? 'stream' : 'socket';
  }
}
