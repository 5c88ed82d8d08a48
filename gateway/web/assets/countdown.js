/**
 * Counting down to a time of the server.
 *
 * The deadline is absolute, so a suspended tab or a wrong device clock cannot stretch it. Reaching zero decides nothing:
 * the page then asks the server, whose clock is the one that counts.
 */

import { msUntil } from './clock.js';
import { clockFace } from './times.js';

/** When a person is warned (WCAG 2.2.1 asks for 20 seconds at least). */
const WARNINGS_S = [60, 20];
const SECOND_MS = 1000;
/** A deadline that is past already, because a clock was stopped, is asked about again this often and not at once. */
const OVERDUE_MS = 5_000;
/** What ran out here, the server ends within a sweep; by then it is asked again, once. */
const SWEPT_MS = 1_000;

/** One running countdown. */
export class Countdown {
  #deadline = '';
  /** The deadline that was ahead when the clocks stopped. */
  #stoodAt = '';
  /** The deadline that just ran out. */
  #ranOut = '';
  #timer = 0;
  #said = Infinity;
  #heard;

  /**
   * @param {{tick: (face: string) => void, warning: (seconds: number) => void, over: () => void}} heard
   */
  constructor(heard) {
    this.#heard = heard;
    document.addEventListener('visibilitychange', () => this.#deadline && this.#tick());
  }

  /** Counts down to a time; the same time again changes nothing. @param {string} deadline RFC 3339 */
  until(deadline) {
    if (deadline === this.#deadline) return;
    clearTimeout(this.#timer);
    this.#stoodAt = '';
    this.#deadline = deadline;
    this.#said = msUntil(deadline) / SECOND_MS;
    if (this.#said > 0) this.#tick();
    else this.#timer = setTimeout(() => this.#tick(), deadline === this.#ranOut ? SWEPT_MS : OVERDUE_MS);
    this.#ranOut = '';
  }

  /**
   * Counts down, unless the clocks of the sale stand still: then it shows what was left when they stopped.
   * @param {string} deadline RFC 3339 @param {boolean} isStill
   */
  follow(deadline, isStill) {
    if (!isStill) {
      this.until(deadline);
      return;
    }
    if (deadline === this.#stoodAt) return;
    this.stop();
    this.#stoodAt = deadline;
    this.#heard.tick(clockFace(msUntil(deadline)));
  }

  /** Stops it. */
  stop() {
    clearTimeout(this.#timer);
    this.#deadline = '';
    this.#stoodAt = '';
  }

  #tick() {
    clearTimeout(this.#timer);
    const leftMs = msUntil(this.#deadline);
    this.#heard.tick(clockFace(leftMs));
    if (leftMs <= 0) {
      if (this.#said > 0) this.#ranOut = this.#deadline;
      this.stop();
      this.#heard.over();
      return;
    }
    this.#warn(leftMs / SECOND_MS);
    this.#timer = setTimeout(() => this.#tick(), leftMs % SECOND_MS || SECOND_MS);
  }

  /** @param {number} leftS */
  #warn(leftS) {
    const due = WARNINGS_S.findLast((warning) => leftS <= warning && warning < this.#said);
    if (due === undefined) return;
    this.#said = due;
    this.#heard.warning(due);
  }
}
