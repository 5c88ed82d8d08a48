/** What a person sees before joining: when it opens, prices, what is left, what joining takes. Kept fresh while on screen. */

import { saleNamed } from './api.js';
import { waitlistPage } from './address.js';
import { serverNow } from './clock.js';
import { Countdown } from './countdown.js';
import { fill, part } from './page.js';
import { delayMs } from './patience.js';
import { doorsOf } from './phases.js';
import { tierEntry } from './prices.js';
import { momentInWords } from './times.js';

/** Availability may be this old before anybody joined; a crowd of readers must cost little. */
const REFRESH_MS = 15_000;
/** Everybody's countdown ends at once; they look again within so many milliseconds after it. */
const OPENING_SPREAD_MS = 2_000;

/** Also a sold-out sale: payments fail, and then its tickets go to those who queue. */
const CAN_JOIN = new Set(['prequeue', 'open', 'sold_out']);
const OVER = new Set(['closed', 'cancelled']);
/** @type {Record<string, string>} */
const TITLES = {
  scheduled: 'Not open yet', prequeue: 'Registration is open', open: 'The sale is open', paused: 'The sale is paused',
  sold_out: 'Sold out for now', closed: 'This sale has ended', cancelled: 'This sale was called off',
};
/** @type {Record<string, string>} */
const MESSAGES = {
  scheduled: 'This page follows along: leave it open, or come back then.',
  prequeue: 'Register now and you take part in the draw when the sale opens. When you register makes no difference.',
  open: 'Join the queue to get your number. When it is your turn, you choose your tickets.',
  sold_out: 'Every ticket is sold or being paid for. If a payment fails, its tickets come back, and those in the queue get them first.',
  closed: 'There is nothing left to buy here.',
  cancelled: 'There is nothing to buy here. Whoever bought tickets is paid back and has a letter about it.',
};
/** @type {Record<string, string>} */
const COUNTDOWNS = { registration: 'Registration opens in', draw: 'The draw begins in', opening: 'The sale opens in' };
const BEFORE_OPENING = new Set(['scheduled', 'prequeue']);
/** @type {Record<string, string>} */
const BUTTONS = { prequeue: 'Register for the draw' };
/** @type {Record<string, string>} */
const HINTS = {
  prequeue: 'Nothing to pay and nothing to fill in. You may close this page until the draw.',
  open: 'You may reload this page, switch networks, or use several tabs: your place stays the same.',
};

/** Whether nothing can be had any more. @param {{state: string}} sale */
export const isOver = ({ state }) => OVER.has(state);

/** The lobby of one sale. */
export class Lobby {
  #fresh;
  #joining;
  #sale;
  #timer = 0;
  #isShown = false;
  #countdown;

  /**
   * @param {any} sale
   * @param {import('./joining.js').Joining} joining
   * @param {(sale: any) => void} fresh told the sale as it is now
   */
  constructor(sale, joining, fresh) {
    this.#sale = sale;
    this.#joining = joining;
    this.#fresh = fresh;
    this.#countdown = new Countdown({
      tick: (face) => fill('opening-clock', face),
      warning: () => {},
      over: () => this.#refreshIn(Math.random() * OPENING_SPREAD_MS),
    });
  }

  /** Shows the sale and keeps it fresh. @param {any} sale */
  show(sale) {
    this.#sale = sale;
    this.#isShown = true;
    const left = isOver(sale) ? { availability: null } : {};
    part('tiers').replaceChildren(...sale.tiers.map((/** @type {any} */ tier) => tierEntry({ ...tier, ...left })));
    part('joining').hidden = !CAN_JOIN.has(sale.state);
    part('waitlist-offer').hidden = sale.state !== 'sold_out';
    /** @type {HTMLAnchorElement} */ (part('waitlist-link')).href = waitlistPage(sale.slug);
    fill('lobby-title', TITLES[sale.state] ?? 'Tickets');
    fill('lobby-message', MESSAGES[sale.state] ?? '');
    fill('lobby-hint', HINTS[sale.state] ?? HINTS.open);
    part('join').textContent = BUTTONS[sale.state] ?? 'Join the queue';
    const { code, next } = doorsOf(sale, serverNow());
    this.#joining.askForCode(code);
    this.#showOpening(BEFORE_OPENING.has(sale.state) ? next : null);
    if (isOver(sale)) return;
    this.#joining.prepare();
    this.#refreshIn(delayMs(0, REFRESH_MS));
  }

  /** Stops keeping it fresh. */
  stop() {
    this.#isShown = false;
    clearTimeout(this.#timer);
    this.#countdown.stop();
  }

  /** @param {import('./phases.js').Doors['next']} next */
  #showOpening(next) {
    part('opening').hidden = next === null;
    if (next === null) {
      this.#countdown.stop();
      return;
    }
    fill('opening-label', COUNTDOWNS[next.what]);
    fill('opening-moment', momentInWords(next.at, this.#sale.time_zone));
    this.#countdown.until(next.at);
  }

  /** @param {number} ms */
  #refreshIn(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#refresh(), ms);
  }

  async #refresh() {
    if (document.visibilityState === 'hidden') return this.#refreshIn(REFRESH_MS);
    const sale = await saleNamed(this.#sale.id).catch(() => null);
    // Whoever joined meanwhile knows more of the sale than this old answer.
    if (!this.#isShown) return undefined;
    return sale ? this.#fresh(sale) : this.#refreshIn(delayMs(0, REFRESH_MS));
  }
}
