/**
 * In the queue of what is sold out: with one press, who waits here stands on the waitlist, too, by the number of this place.
 * The place stays as it is.
 *
 * What became of the entry is told by its own page, opened by its mail or from here; that page writes it down for this one
 * (journey.js). So this one asks about an entry once, when it is opened, however many wait here.
 */

import { addressOf, entryPage } from './address.js';
import { Problem, entryNamed } from './api.js';
import { on } from './control.js';
import { entryToken } from './journey.js';
import { fill, part } from './page.js';
import { isSettled, tailInWords } from './waitlist_words.js';
import { boundQuantity, join, offerTiers, soldOut } from './wish.js';

/** In which a sale sells, or will go on to. */
const SELLING = new Set(['open', 'sold_out', 'paused']);
/** How it is told that an entry is not there, or not this browser's. */
const GONE = new Set([401, 404]);

/** The offer of the waitlist to one place in the queue. */
export class Tail {
  #sale;
  #journey;
  /** What was shown last. @type {Parameters<Tail['show']>} */
  #shown;

  /** @param {any} sale @param {import('./journey.js').Journey} journey */
  constructor(sale, journey) {
    this.#sale = sale;
    this.#journey = journey;
    this.#shown = [{ sale_state: sale.state }, sale.tiers];
    boundQuantity(/** @type {HTMLInputElement} */ (part('tail-quantity')), sale);
    on('tailing', 'submit', () => this.#join());
    this.#look();
  }

  /** @param {{sale_state?: string}} position @param {import('./wish.js').Tier[]} tiers */
  show(position, tiers) {
    this.#shown = [position, tiers];
    const { sale_state: state = '' } = position;
    const gone = soldOut(tiers);
    const { waitlist } = this.#journey.steps;
    const isOffered = gone.length > 0 && SELLING.has(state);
    const isShown = Boolean(waitlist) || isOffered;
    part('tail').hidden = !isShown;
    // Said aloud when it comes: what stands there before is not, and what is hidden should be silent.
    const [heading, message] = isShown ? tailInWords(waitlist, gone.length === tiers.length) : ['', ''];
    fill('tail-title', heading);
    fill('tail-message', message);
    part('tailing').hidden = Boolean(waitlist);
    part('tail-onward').hidden = !waitlist;
    if (waitlist) /** @type {HTMLAnchorElement} */ (part('tail-link')).href = entryPage(addressOf().slug, waitlist.id);
    offerTiers(part('tail-tiers'), gone, true);
    part('tail-tiers-asked').hidden = gone.length < 2;
  }

  async #join() {
    const form = /** @type {HTMLFormElement} */ (part('tailing'));
    const entry = await join(form, { sale: this.#sale.id, place: this.#journey.steps.place?.token });
    if (!entry) return;
    this.#journey.remember({ waitlist: { id: entry.id, state: entry.state } });
    this.show(...this.#shown);
    part('tail-title').focus();
  }

  /** Asks what became of the entry that this browser remembers. */
  async #look() {
    const { waitlist } = this.#journey.steps;
    if (!waitlist) return;
    try {
      const entry = await entryNamed(this.#sale.id, waitlist.id, entryToken(waitlist.id) ?? '');
      this.#journey.noteEntry(entry, isSettled(entry));
    } catch (failure) {
      // Whatever else is the matter now, the entry's own page tells.
      if (failure instanceof Problem && GONE.has(failure.status)) this.#journey.forget('waitlist');
    }
  }
}
