/** The view of a person who registered and waits for the draw. */

import { msUntil } from './clock.js';
import { Countdown } from './countdown.js';
import { drawInWords } from './draw.js';
import { fill } from './page.js';

/** Shows the countdown to the draw, and that it is being made. */
export class Prequeue {
  #countdown;

  /** @param {() => void} opened told when the time has come */
  constructor(opened) {
    this.#countdown = new Countdown({
      tick: (face) => fill('draw-clock', face),
      warning: () => {},
      over: opened,
    });
  }

  /**
   * Shows it.
   * @param {any} position @param {any} sale
   * @returns {string} the words for the title of the page
   */
  show(position, sale) {
    const opensAt = position.opens_at ?? sale.opens_at;
    const isOpening = msUntil(opensAt) <= 0;
    const words = drawInWords(position, sale, isOpening);
    fill('draw-title', words.title);
    fill('draw-label', words.label);
    fill('draw-moment', words.moment);
    fill('draw-message', words.message);
    if (isOpening) {
      this.#countdown.stop();
      fill('draw-clock', '…');
    } else this.#countdown.until(opensAt);
    return words.title;
  }

  /** Stops counting. */
  stop() {
    this.#countdown.stop();
  }
}
