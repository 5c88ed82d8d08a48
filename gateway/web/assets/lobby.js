/** What a person sees before joining: prices, what is left, when it opens. Kept fresh while it is on screen. */

import { saleNamed } from './api.js';
import { Countdown } from './countdown.js';
import { fill, part } from './page.js';
import { delayMs } from './patience.js';
import { tierEntry } from './prices.js';
import { momentInWords } from './times.js';

/** Availability may be this old before anybody joined; a crowd of readers must cost little. */
const REFRESH_MS = 15_000;
/** Everybody's countdown ends at once; they look again within so many milliseconds after it. */
const OPENING_SPREAD_MS = 2_000;

/** Also a sold-out sale: payments fail, and then its tickets go to those who queue. */
const CAN_JOIN = new Set(['prequeue', 'open', 'sold_out']);
/** @type {Record<string, string>} */
const MESSAGES = {
  prequeue: 'Registration is open. When the sale opens, everybody who registered is put in a random order, so being early is no advantage.',
  open: 'The sale is open.',
  paused: 'The sale is paused for a moment. Please stay; this page goes on by itself.',
  sold_out: 'Every ticket is sold or being paid for. If a payment fails, its tickets come back, and those in the queue get them first.',
  closed: 'This sale has ended.',
  cancelled: 'This sale was called off.',
};

const OVER = new Set(['closed', 'cancelled']);

/** Whether nothing can be had any more. @param {{state: string}} sale */
export const isOver = ({ state }) => OVER.has(state);

/** The lobby of one sale. */
export class Lobby {
  #fresh;
  #sale;
  #timer = 0;
  #countdown;

  /**
   * @param {any} sale
   * @param {(sale: any) => void} fresh told the sale as it is now
   */
  constructor(sale, fresh) {
    this.#sale = sale;
    this.#fresh = fresh;
    this.#countdown = new Countdown({
      tick: (face) => fill('lobby-message', `Opens in ${face}, on ${momentInWords(this.#sale.opens_at, this.#sale.time_zone)}.`),
      warning: () => {},
      over: () => this.#refreshIn(Math.random() * OPENING_SPREAD_MS),
    });
  }

  /** Shows the sale and keeps it fresh. @param {any} sale */
  show(sale) {
    this.#sale = sale;
    const left = isOver(sale) ? { availability: null } : {};
    part('tiers').replaceChildren(...sale.tiers.map((/** @type {any} */ tier) => tierEntry({ ...tier, ...left })));
    part('join').hidden = !CAN_JOIN.has(sale.state);
    if (sale.state === 'scheduled') this.#countdown.until(sale.opens_at);
    else {
      this.#countdown.stop();
      fill('lobby-message', MESSAGES[sale.state] ?? '');
    }
    if (!isOver(sale)) this.#refreshIn(delayMs(0, REFRESH_MS));
  }

  /** Stops keeping it fresh. */
  stop() {
    clearTimeout(this.#timer);
    this.#countdown.stop();
  }

  /** @param {number} ms */
  #refreshIn(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#refresh(), ms);
  }

  async #refresh() {
    if (document.visibilityState === 'hidden') return this.#refreshIn(REFRESH_MS);
    const sale = await saleNamed(this.#sale.id).catch(() => null);
    return sale ? this.#fresh(sale) : this.#refreshIn(delayMs(0, REFRESH_MS));
  }
}
