/** How many tickets of which tier: a list of tiers, each with a number to choose. */

import { element } from './page.js';
import { refreshEntry, tierEntry } from './prices.js';

/** @typedef {import('./prices.js').Tier} Tier */

/** The list of one sale. */
export class Quantities {
  #list;
  /** @type {Map<string, HTMLSelectElement>} */
  #selects = new Map();

  /** @param {HTMLElement} list @param {Tier[]} tiers @param {(tier: string) => number} limitOf the most of a tier */
  constructor(list, tiers, limitOf) {
    this.#list = list;
    list.replaceChildren(...tiers.map((tier) => tierEntry(tier, ...this.#control(tier, limitOf(tier.id)))));
    this.#selects.values().next().value?.setAttribute('aria-describedby', 'sum');
    if (tiers.length === 1) this.set(tiers[0].id, 1);
  }

  /** @param {string} tier */
  of(tier) {
    return Number(this.#selects.get(tier)?.value ?? 0);
  }

  /** @param {string} tier @param {number} quantity */
  set(tier, quantity) {
    const select = this.#selects.get(tier);
    if (select) select.value = String(Math.min(quantity, select.length - 1));
  }

  /** Shows only these tiers: of the others, seats are chosen by name. @param {Tier[]} tiers */
  offer(tiers) {
    for (const id of this.#selects.keys()) {
      const entry = /** @type {HTMLElement | null} */ (this.#entry(id));
      if (entry) entry.hidden = !tiers.some((tier) => tier.id === id);
    }
  }

  /** Shows what is left now. @param {Tier[]} tiers */
  refresh(tiers) {
    for (const tier of tiers) {
      const entry = this.#entry(tier.id);
      if (entry) refreshEntry(entry, tier);
    }
  }

  /** @param {string} tier */
  #entry(tier) {
    return this.#list.querySelector(`[data-tier="${CSS.escape(tier)}"]`);
  }

  /** @param {Tier} tier @param {number} limit */
  #control(tier, limit) {
    const id = `quantity-${tier.id}`;
    const numbers = Array.from({ length: limit + 1 }, (_, n) => element('option', { value: String(n) }, String(n)));
    const select = /** @type {HTMLSelectElement} */ (element('select', { id, name: id }, ...numbers));
    this.#selects.set(tier.id, select);
    return [element('label', { for: id, class: 'unseen' }, `How many of ${tier.name}`), select];
  }
}
