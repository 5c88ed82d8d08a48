/** The form that asks what a person waits for: on the page of the waitlist, and in the queue of what is sold out. */

import { Problem, joinWaitlist } from './api.js';
import { keepEntryToken } from './journey.js';
import { element, markFaults, note, warn } from './page.js';
import { patiently } from './patience.js';
import { sentenceFor } from './problems.js';

/**
 * @typedef {{id: string, name: string, availability?: {level: string} | null}} Tier
 * @typedef {object} Asked what joining needs
 * @property {string} sale
 * @property {string} [place] proves a place in the queue, where one has it
 */

/** Of one buyer, where the sale does not say. */
const QUANTITY_MAX = 20;

/** The tiers for which a person may wait. @template {Tier} T @param {T[]} tiers @returns {T[]} */
export const soldOut = (tiers) => tiers.filter(({ availability }) => availability?.level === 'none');

/**
 * Offers tiers to choose from. What was chosen of them before stays so.
 * @param {HTMLElement} list @param {Tier[]} tiers @param {boolean} chosen whether a new one is
 */
export function offerTiers(list, tiers, chosen) {
  const key = tiers.map(({ id }) => id).join(' ');
  if (list.dataset.shown === key) return;
  const before = new Map([...list.querySelectorAll('input')].map(({ value, checked }) => [value, checked]));
  list.dataset.shown = key;
  list.replaceChildren(...tiers.map(({ id, name }) => element('li', {}, element('label', {},
    element('input', { type: 'checkbox', name: 'tier', value: id, checked: before.get(id) ?? chosen }), ` ${name}`))));
}

/** @param {HTMLInputElement} quantity @param {{per_buyer_limit?: number}} sale */
export function boundQuantity(quantity, { per_buyer_limit: limit = QUANTITY_MAX }) {
  quantity.max = String(limit);
}

/**
 * Joins with what the form says; null when it says too little. Sent again under one key until it is answered, so it is one
 * entry and one letter.
 * @param {HTMLFormElement} form @param {Asked} asked
 */
export async function join(form, { sale, place }) {
  const given = new FormData(form);
  const tiers = given.getAll('tier');
  if (tiers.length === 0) {
    warn('Choose at least one kind of ticket.');
    return null;
  }
  const wish = { tiers, quantity: Number(given.get('quantity')), email: given.get('email') };
  const key = crypto.randomUUID();
  try {
    const entry = await patiently(() => joinWaitlist(sale, wish, key, place), (problem) => note(sentenceFor(problem)));
    keepEntryToken(entry.id, entry.token);
    return entry;
  } catch (failure) {
    if (failure instanceof Problem) markFaults(form, failure.errors);
    throw failure;
  }
}
