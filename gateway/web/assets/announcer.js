/**
 * What a screen reader hears while the line moves: little, at the right moments (WCAG 4.1.3). The numbers on the page
 * change each second and are in no live region; this says them when a threshold is passed, and otherwise at most every
 * 30 seconds.
 */

import { serverNow } from './clock.js';

const SILENCE_MIN_MS = 30_000;
/** People ahead at which a person wants to know at once. */
const THRESHOLDS = [1000, 500, 100, 50, 10, 1, 0];

/** Speaks through one element with `role="status"`. */
export class Announcer {
  #region;
  #now;
  #saidAt = -Infinity;
  #saidAhead = Infinity;

  /**
   * @param {{textContent: string | null}} region
   * @param {() => number} [now] milliseconds
   */
  constructor(region, now = serverNow) {
    this.#region = region;
    this.#now = now;
  }

  /** Says it at once. @param {string} text */
  say(text) {
    this.#region.textContent = text;
    this.#saidAt = this.#now();
  }

  /**
   * Says how many are ahead, when it is time to.
   * @param {number} ahead
   * @param {string} text
   */
  ahead(ahead, text) {
    const passed = THRESHOLDS.some((threshold) => ahead <= threshold && threshold < this.#saidAhead);
    const quiet = this.#now() - this.#saidAt >= SILENCE_MIN_MS && ahead !== this.#saidAhead;
    if (!passed && !quiet) return;
    this.#saidAhead = ahead;
    this.say(text);
  }
}
