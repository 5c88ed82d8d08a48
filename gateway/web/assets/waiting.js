/** The view of a person who waits: where they are, how long it may take, what happens next. */

import { Announcer } from './announcer.js';
import { leftInWords } from './availability.js';
import { element, fill, part } from './page.js';
import { waitInWords } from './times.js';

const NOT_KNOWN = 'Not known yet';
/** @type {Record<string, string>} What matters more than being in the queue. */
const TITLES = { paused: 'The sale is paused', sold_out: 'Sold out for now' };

/** @param {number} n */
const grouped = (n) => new Intl.NumberFormat().format(n);

/** Shows positions, and says them to screen readers now and then. */
export class Waiting {
  #announcer = new Announcer(part('status'));
  #journey;

  /** @param {import('./journey.js').Journey} journey */
  constructor(journey) {
    this.#journey = journey;
  }

  /**
   * Shows a position.
   * @param {any} position as the API answers it
   * @param {import('./prices.js').Tier[]} tiers
   * @returns {string} the words for the title of the page
   */
  show(position, tiers) {
    const { place } = this.#journey.steps;
    fill('number', place?.number ? grouped(place.number) : 'Drawn when the sale opens');
    this.#showLeft(tiers);
    fill('next', nextInWords(position));
    if (position.ahead === null || position.ahead === undefined) return this.#showUnknown(position);
    return this.#showAhead(position);
  }

  /** @param {any} position */
  #showUnknown(position) {
    fill('queue-title', titleFor(position));
    fill('ahead', '');
    fill('ahead-label', position.state === 'prequeue' ? 'The order is drawn at random when the sale opens.' : '');
    fill('wait', NOT_KNOWN);
    part('progress').hidden = true;
    return '';
  }

  /** @param {any} position */
  #showAhead({ ahead, eta_s: eta, sale_state: sale }) {
    const label = ahead === 1 ? 'person ahead of you' : 'people ahead of you';
    const wait = waitInWords(eta);
    fill('queue-title', ahead === 0 && sale === 'open' ? 'You are next' : titleFor({ sale_state: sale }));
    fill('ahead', grouped(ahead));
    fill('ahead-label', label);
    fill('wait', wait || NOT_KNOWN);
    this.#showProgress(ahead);
    this.#announcer.ahead(ahead, `${grouped(ahead)} ${label}.${wait ? ` Estimated wait: ${wait}.` : ''}`);
    return ahead === 0 ? 'You are next' : `${grouped(ahead)} ahead`;
  }

  /** Progress counts from the most that were ever ahead. @param {number} ahead */
  #showProgress(ahead) {
    const { place } = this.#journey.steps;
    const firstAhead = Math.max(place?.firstAhead ?? 0, ahead);
    if (place && place.firstAhead !== firstAhead) this.#journey.remember({ place: { ...place, firstAhead } });
    const progress = /** @type {HTMLProgressElement} */ (part('progress'));
    progress.hidden = false;
    progress.max = firstAhead + 1;
    progress.value = firstAhead - ahead;
  }

  /** @param {import('./prices.js').Tier[]} tiers */
  #showLeft(tiers) {
    const entries = tiers.map((tier) => `${tier.name}: ${leftInWords(tier.availability) || 'unknown'}`);
    const list = part('left');
    if ([...list.children].map((entry) => entry.textContent).join('\n') === entries.join('\n')) return;
    list.replaceChildren(...entries.map((entry) => element('li', {}, entry)));
  }
}

/** @param {any} position */
function titleFor({ state, sale_state: sale }) {
  return TITLES[sale] ?? (state === 'prequeue' ? 'You are registered' : 'You are in the queue');
}

/** @param {any} position */
function nextInWords({ state, sale_state: sale }) {
  if (sale === 'paused') return 'The sale is paused for a moment. Nobody moves, and you keep your place.';
  if (sale === 'sold_out') return 'Every ticket is sold or being paid for. If a payment fails, tickets come back, and the queue moves on.';
  if (state === 'prequeue') return 'Keep this page open. When the sale opens you get a number, and this page shows your place.';
  return 'Keep this page open. When it is your turn, this page tells you, and you have a little time to choose your tickets. Reloading the page, or losing the connection for a while, does not lose your place.';
}
