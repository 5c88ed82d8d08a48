/**
 * A text that does not flicker: a new one is shown at once only when there was none or a while passed since the last.
 * What comes in between is not lost: the next showing has the newest.
 */

import { serverNow } from './clock.js';

/** Long enough to be read, short enough to be believed. */
const SHOWN_MIN_MS = 8_000;

/** One such text. */
export class Steady {
  #text = '';
  #since = -Infinity;
  #now;

  /** @param {() => number} [now] milliseconds */
  constructor(now = serverNow) {
    this.#now = now;
  }

  /** What to show, now that this is true. @param {string} text */
  of(text) {
    const isReadLong = this.#now() - this.#since >= SHOWN_MIN_MS;
    if (text !== this.#text && (isReadLong || text === '' || this.#text === '')) {
      this.#text = text;
      this.#since = this.#now();
    }
    return this.#text;
  }
}
