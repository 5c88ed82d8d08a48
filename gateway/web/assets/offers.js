/** What can be had instead of what was refused: a sentence, and a button for each offer. */

import { element, part } from './page.js';
import { seatsInWords } from './seat_words.js';

/** @typedef {{words: string, take: () => unknown, focus?: string}} Offer `focus` is what one goes on with, by default the button that holds */

/** Shows offers, in place of those shown before; pressing one takes it. @param {string} why @param {Offer[]} offers */
export function showOffers(why, offers) {
  part('offers-why').textContent = why;
  part('offers-list').replaceChildren(...offers.map(({ words, take, focus = 'take' }) => {
    const button = element('button', { type: 'button', class: 'quiet' }, words);
    button.addEventListener('click', () => {
      // The button goes, and the focus must not go with it.
      part(focus).focus();
      hideOffers();
      take();
    });
    return element('li', {}, button);
  }));
  part('offers').hidden = false;
}

/** They are over: something else is chosen by now. */
export function hideOffers() {
  part('offers').hidden = true;
  part('offers-why').textContent = '';
  part('offers-list').replaceChildren();
}

/**
 * What could be had instead, in words.
 * @param {import('./api.js').Alternative} alternative @param {string} name of the tier
 */
export function alternativeInWords({ quantity, seats, together }, name) {
  if (!seats) return `${quantity} × ${name}`;
  const apart = together || seats.length < 2 ? '' : ', apart';
  return `${name} ${seatsInWords(seats)}${seats.length > 1 && together ? ', side by side' : apart}`;
}
