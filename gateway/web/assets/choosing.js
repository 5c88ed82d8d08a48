/**
 * The form in which a person whose turn it is says what they want: so many tickets, the best there are, or seats by name.
 *
 * The best is offered first, because it is quickest and fails least. Where a sale has no rows, there is nothing else. What is
 * needed for seats by name is loaded when somebody wants that.
 */

import { inWords, multiplied } from './money.js';
import { fill, part } from './page.js';
import { Quantities } from './quantities.js';
import { freeOf, isGone } from './restock.js';

/** When a sale does not say how many one buyer may have; the server has the last word. */
const PER_BUYER_LIMIT_DEFAULT = 6;

/** @typedef {import('./prices.js').Tier} Tier */
/** @typedef {{tier: string, quantity: number, together?: boolean, or_apart?: boolean} | {tier: string, seats: string[]}} Item */

/** The form. */
export class Choosing {
  #sale;
  #tiers;
  #limit;
  #changed;
  #quantities;
  /** @type {import('./seat_picker.js').SeatPicker | null} */
  #picker = null;
  /** @type {Promise<void> | null} */
  #loading = null;
  #isShown = false;
  /** What was chosen when somebody was last told. */
  #chosen = '';

  /** @param {{id: string, tiers: Tier[], per_buyer_limit?: number}} sale @param {() => void} changed told when something else is chosen */
  constructor(sale, changed) {
    this.#sale = sale;
    this.#tiers = sale.tiers;
    this.#limit = sale.per_buyer_limit ?? PER_BUYER_LIMIT_DEFAULT;
    this.#changed = changed;
    this.#quantities = new Quantities(part('choices'), sale.tiers, (tier) => this.#limitOf(tier));
    fill('limit', this.#limit === 1 ? 'One for each buyer.' : `Up to ${this.#limit} for each buyer.`);
    part('ways').hidden = !sale.tiers.some(({ seated }) => seated);
    part('ways').addEventListener('change', () => this.#showWay());
    part('choosing').addEventListener('change', () => this.#refreshChoice());
    this.#showWay();
  }

  /** What was chosen, as the API takes it. @param {'together' | 'apart'} [groups] what to do where no row has so many side by side */
  items(groups = 'together') {
    return this.#tiers.flatMap((tier) => this.#item(tier, groups));
  }

  /** What is wrong with the choice, empty when nothing is. */
  get fault() {
    const chosen = this.#tiers.reduce((sum, tier) => sum + this.#countOf(tier), 0);
    if (chosen === 0) return this.#isByName ? 'Choose at least one seat.' : 'Choose at least one ticket.';
    if (chosen > this.#limit) return `One buyer may have up to ${this.#limit} tickets; you chose ${chosen}.`;
    const tooMany = this.#tiers.find((tier) => this.#countOf(tier) > this.#limitOf(tier.id));
    // Whether what is gone is gone for good, or from this part of the sale, the server says.
    return tooMany ? `One buyer may have up to ${this.#limitOf(tooMany.id)} of ${tooMany.name}.` : '';
  }

  /** Whether nothing can be had at this moment, though some may come back. */
  get isAllHeld() {
    return this.#tiers.every((tier) => freeOf(tier) === 0) && this.#heldTiers.length > 0;
  }

  /**
   * What is worth waiting for: all that is chosen and may be in baskets, as far as is known; where that is gone, or nothing
   * is chosen, a ticket of any tier that is in baskets; where none is, what is chosen after all: a refusal that says it is in
   * baskets is newer than what is known. @returns {import('./restock.js').Wish[][]} ways, any of which would do
   */
  get wishes() {
    const chosen = this.#tiers.filter((tier) => this.#countOf(tier) > 0);
    const wished = chosen.filter((tier) => !isGone(tier));
    const scarce = wished.filter(({ availability }) => availability?.level !== 'many');
    const found = scarce.length > 0 ? scarce : wished;
    if (found.length > 0) return [this.#asWay(found)];
    const held = this.#heldTiers.map(({ id }) => [{ tier: id, quantity: 1 }]);
    return held.length > 0 || chosen.length === 0 ? held : [this.#asWay(chosen)];
  }

  /** @param {Tier[]} tiers */
  #asWay(tiers) {
    return tiers.map((tier) => ({ tier: tier.id, quantity: this.#countOf(tier) }));
  }

  /** Shows what is left now. @param {Tier[]} tiers */
  refresh(tiers) {
    this.#tiers = tiers;
    this.#quantities.refresh(tiers);
  }

  /** Whether the form is on screen. @param {boolean} isShown */
  show(isShown) {
    this.#isShown = isShown;
    this.#picker?.follow(isShown && this.#isByName);
  }

  /** News of seats. @param {import('./seat_plan.js').Delta} delta */
  hear(delta) {
    this.#picker?.hear(delta);
  }

  /** How news comes. @param {'live' | 'polled' | 'none'} link */
  link(link) {
    this.#picker?.link(link);
  }

  /** Takes what is chosen; the choice is kept unless that works. @template T @param {() => Promise<T>} work @returns {Promise<T>} */
  whileTaking(work) {
    return this.#picker ? this.#picker.whileTaking(work) : work();
  }

  /**
   * Chooses what was held and is lost: seats by name again if that is how they were chosen, and of all else as many. Without
   * the map, so many seats are chosen, whichever they are.
   * @param {{items: {tier: string, seat: string | null}[], by_name?: boolean}} hold
   * @returns {Promise<boolean>} whether that is the same as it was
   */
  async restore({ items: units, by_name: isNamed }) {
    for (const { id } of this.#tiers) this.#quantities.set(id, units.filter(({ tier }) => tier === id).length);
    this.#refreshChoice();
    if (!units.some(({ seat }) => seat)) return true;
    if (isNamed) await this.chooseByName();
    if (!isNamed || !this.#picker) {
      await this.#chooseBest();
      return false;
    }
    for (const { id } of this.#tiers) {
      const seats = units.flatMap(({ tier, seat }) => (tier === id && seat ? [seat] : []));
      if (seats.length > 0) this.#picker.chooseAgain(id, seats);
    }
    return true;
  }

  /** Takes back seats that were refused, and keeps the others. @param {string} tier @param {string[]} seats @returns {string} those, in words */
  giveUp(tier, seats) {
    return this.#picker?.giveUp(tier, seats) ?? '';
  }

  /** Chooses an alternative in place of what was chosen in its tier. @param {import('./api.js').Alternative} alternative */
  async accept({ tier, quantity, seats }) {
    if (!seats) {
      this.#quantities.set(tier, quantity);
      return this.#refreshChoice();
    }
    await this.chooseByName();
    return this.#picker?.choose(tier, seats);
  }

  /** Goes to seats by name. */
  async chooseByName() {
    /** @type {HTMLInputElement} */ (part('by-name')).checked = true;
    await this.#showWay();
  }

  /** Goes back to the best there are. */
  async #chooseBest() {
    /** @type {HTMLInputElement} */ (part('best')).checked = true;
    await this.#showWay();
  }

  get #isByName() {
    return /** @type {HTMLInputElement} */ (part('by-name')).checked;
  }

  /** Whether seats of the tier are chosen by name right now. @param {Tier} tier */
  #isNamed(tier) {
    return this.#isByName && tier.seated === true;
  }

  async #showWay() {
    const isByName = this.#isByName;
    part('choose').toggleAttribute('data-by-name', isByName);
    part('picker').hidden = !isByName;
    const counted = this.#tiers.filter((tier) => !this.#isNamed(tier));
    this.#quantities.offer(counted);
    part('quantities').hidden = counted.length === 0;
    if (isByName) await this.#loadPicker();
    this.#picker?.follow(this.#isShown && this.#isByName);
    this.#refreshChoice();
  }

  /** Loads what seats by name need; when that fails, the best are still to be had. Some browsers never try a module twice. */
  #loadPicker() {
    this.#loading ??= import('./seat_picker.js').then(({ SeatPicker }) => {
      this.#picker = new SeatPicker(this.#sale, { roomIn: (tier) => this.#roomIn(tier), changed: () => this.#refreshChoice() });
      part('seat-trouble').textContent = '';
    }, () => {
      this.#loading = null;
      part('seat-trouble').textContent = 'The seat map could not be loaded. “Best available” works without it; or load this page again, which keeps your turn.';
    });
    return this.#loading;
  }

  /** @param {string} tier */
  #limitOf(tier) {
    return Math.min(this.#limit, this.#tiers.find(({ id }) => id === tier)?.per_buyer_limit ?? Infinity);
  }

  /** How many more one may choose of a tier. @param {string} tier */
  #roomIn(tier) {
    const chosen = this.#tiers.reduce((sum, other) => sum + this.#countOf(other), 0);
    return Math.min(this.#limit - chosen, this.#limitOf(tier) - (this.#picker?.countOf(tier) ?? 0));
  }

  /** @param {Tier} tier */
  #countOf(tier) {
    return this.#isNamed(tier) ? this.#picker?.countOf(tier.id) ?? 0 : this.#quantities.of(tier.id);
  }

  /** @param {Tier} tier @param {'together' | 'apart'} groups @returns {Item[]} */
  #item(tier, groups) {
    const quantity = this.#countOf(tier);
    if (quantity === 0) return [];
    if (this.#isNamed(tier)) return [{ tier: tier.id, seats: this.#picker?.namesOf(tier.id) ?? [] }];
    const isTogether = tier.seated && quantity > 1 && /** @type {HTMLInputElement} */ (part('together')).checked;
    return [{ tier: tier.id, quantity, ...(isTogether && { together: true, ...(groups === 'apart' && { or_apart: true }) }) }];
  }

  get #heldTiers() {
    return this.#tiers.filter(({ availability }) => availability?.level === 'all_held');
  }

  #refreshChoice() {
    const isGroup = this.#tiers.some((tier) => tier.seated && !this.#isNamed(tier) && this.#quantities.of(tier.id) > 1);
    part('together-asked').hidden = !isGroup;
    this.#sum();
    const chosen = JSON.stringify(this.items());
    if (chosen !== this.#chosen) this.#changed();
    this.#chosen = chosen;
  }

  #sum() {
    const { currency } = this.#tiers[0].price.total;
    const amount = this.#tiers.reduce((sum, tier) => sum + multiplied(tier.price.total, this.#countOf(tier)).amount, 0);
    part('sum').textContent = inWords({ amount, currency });
  }
}
