/** The form in which a person whose turn it is says how many tickets of which tier. */

import { inWords, multiplied } from './money.js';
import { element, fill, part } from './page.js';
import { refreshEntry, tierEntry } from './prices.js';

/** When a sale does not say how many one buyer may have; the server has the last word. */
const PER_BUYER_LIMIT_DEFAULT = 6;
const HAS_NONE_FREE = new Set(['none', 'all_held']);

/** @typedef {import('./prices.js').Tier} Tier */

/** The form, one quantity a tier, together within the limit. */
export class Choosing {
  #tiers;
  #limit;
  /** @type {Map<string, HTMLSelectElement>} */
  #quantities = new Map();

  /** @param {{tiers: Tier[], per_buyer_limit?: number}} sale */
  constructor(sale) {
    this.#tiers = sale.tiers;
    this.#limit = sale.per_buyer_limit ?? PER_BUYER_LIMIT_DEFAULT;
    fill('limit', this.#limit === 1 ? 'One for each buyer.' : `Up to ${this.#limit} for each buyer.`);
    part('choices').replaceChildren(...sale.tiers.map((tier) => tierEntry(tier, ...this.#control(tier))));
    this.#quantities.values().next().value?.setAttribute('aria-describedby', 'sum');
    if (sale.tiers.length === 1) this.#quantities.forEach((select) => { select.value = '1'; });
    part('choices').addEventListener('change', () => this.#sum());
    this.#sum();
  }

  /** Shows what is left now. @param {Tier[]} tiers */
  refresh(tiers) {
    this.#tiers = tiers;
    for (const tier of tiers) {
      const entry = part('choices').querySelector(`[data-tier="${CSS.escape(tier.id)}"]`);
      if (entry) refreshEntry(entry, tier);
    }
  }

  /** What was chosen, as the API takes it. @returns {{tier: string, quantity: number}[]} */
  get items() {
    return this.#tiers
      .map(({ id }) => ({ tier: id, quantity: Number(this.#quantities.get(id)?.value ?? 0) }))
      .filter(({ quantity }) => quantity > 0);
  }

  /** What is wrong with the choice, empty when nothing is. */
  get fault() {
    const chosen = this.items.reduce((sum, { quantity }) => sum + quantity, 0);
    if (chosen === 0) return 'Choose at least one ticket.';
    if (chosen > this.#limit) return `One buyer may have up to ${this.#limit} tickets; you chose ${chosen}.`;
    const gone = this.#tiers.find(({ id, availability }) =>
      availability?.level === 'none' && this.items.some(({ tier }) => tier === id));
    return gone ? `${gone.name} is sold out.` : '';
  }

  /** Whether nothing can be had at this moment. */
  get nothingFree() {
    return this.#tiers.every(({ availability }) => HAS_NONE_FREE.has(availability?.level ?? ''));
  }

  /** @param {Tier} tier */
  #control(tier) {
    const id = `quantity-${tier.id}`;
    const numbers = Array.from({ length: this.#limit + 1 }, (_, n) => element('option', { value: String(n) }, String(n)));
    const select = /** @type {HTMLSelectElement} */ (element('select', { id, name: id }, ...numbers));
    this.#quantities.set(tier.id, select);
    return [element('label', { for: id, class: 'unseen' }, `How many of ${tier.name}`), select];
  }

  #sum() {
    const { currency } = this.#tiers[0].price.total;
    const amount = this.items.reduce((sum, { tier, quantity }) => {
      const price = this.#tiers.find(({ id }) => id === tier)?.price.total;
      return price ? sum + multiplied(price, quantity).amount : sum;
    }, 0);
    part('sum').textContent = inWords({ amount, currency });
  }
}
