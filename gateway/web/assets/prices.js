/** Prices on the page: always all in, always with what they are made of. */

import { inWords } from './money.js';
import { leftInWords } from './availability.js';
import { element } from './page.js';

/**
 * @typedef {import('./money.js').Money} Money
 * @typedef {{total: Money, base: Money, fees: Money, taxes: Money}} UnitPrice
 * @typedef {{id: string, name: string, price: UnitPrice, availability: import('./availability.js').Availability,
 *           seated?: boolean, per_buyer_limit?: number | null}} Tier
 */

/**
 * What a price is made of.
 * @param {UnitPrice} price
 */
export function partsInWords({ total, base, fees, taxes }) {
  if (total.amount === 0) return 'Free of charge';
  const parts = [`ticket ${inWords(base)}`];
  if (fees.amount !== 0) parts.push(`fees ${inWords(fees)}`);
  if (taxes.amount !== 0) parts.push(`taxes ${inWords(taxes)}`);
  return parts.length === 1 ? 'No fees are added' : `All in: ${parts.join(' + ')}`;
}

/**
 * A tier as a list entry; `control` goes to its right.
 * @param {Tier} tier
 * @param {...Node} control
 */
export function tierEntry(tier, ...control) {
  return element('li', { 'data-tier': tier.id },
    element('div', {},
      element('strong', { class: 'name' }, tier.name),
      element('span', { class: 'hint' }, partsInWords(tier.price)),
      element('span', { class: 'availability', 'data-level': tier.availability?.level ?? '' }, leftInWords(tier.availability))),
    element('div', { class: 'side' },
      element('strong', { class: 'price' }, inWords(tier.price.total)), ...control));
}

/**
 * Brings the availability of an entry up to date, leaving its control alone.
 * @param {Element} entry
 * @param {Tier} tier
 */
export function refreshEntry(entry, tier) {
  const words = /** @type {HTMLElement} */ (entry.querySelector('.availability'));
  words.dataset.level = tier.availability?.level ?? '';
  const text = leftInWords(tier.availability);
  if (words.textContent !== text) words.textContent = text;
}

/**
 * The rows of an order's lines.
 * @param {{name: string, quantity: number, amount: Money}[]} lines
 */
export function lineRows(lines) {
  return lines
    .filter((line) => line.amount.amount !== 0 || lines.length === 1)
    .map(({ name, quantity, amount }) => element('tr', {},
      element('th', { scope: 'row' }, quantity > 1 ? `${quantity} × ${name}` : name),
      element('td', {}, inWords(amount))));
}
