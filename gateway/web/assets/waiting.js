/** The view of a person who waits: where they are, how long it may take, what is left. */

import { Announcer } from './announcer.js';
import { leftInWords } from './availability.js';
import { oddsInWords } from './odds.js';
import { element, fill, part } from './page.js';
import { standsStill } from './standstill.js';
import { Steady } from './steady.js';
import { Tail } from './tail.js';
import { waitInWords } from './times.js';

const NOT_KNOWN = 'Not known yet';
/** A number that needs smaller figures. */
const LONG_FROM = 10_000;
/** How long the reason for a number that rose is shown. */
const RISE_SHOWN_MS = 30_000;
/** @type {Record<string, string>} What matters more than being in the queue. */
const TITLES = { sold_out: 'Sold out for now' };
/** @type {Record<string, string>} What no pace tells. */
const STANDS = { sold_out: 'Until tickets come back' };
const LINKS = { live: 'Live', polled: 'Updated every few seconds', none: 'Reconnecting: you keep your place' };

/** @param {number} n */
const grouped = (n) => new Intl.NumberFormat().format(n);
/** @param {number} ahead */
const aheadInWords = (ahead) => (ahead === 1 ? 'person ahead of you' : 'people ahead of you');

/** Shows positions, and says them to screen readers now and then. */
export class Waiting {
  #announcer = new Announcer(part('status'));
  #wait = new Steady();
  #odds = new Steady();
  #journey;
  #tail;
  /** @type {number | null} */
  #ahead = null;
  #riseTimer = 0;

  /** @param {any} sale @param {import('./journey.js').Journey} journey */
  constructor(sale, journey) {
    this.#journey = journey;
    this.#tail = new Tail(sale, journey);
  }

  /**
   * Shows a position.
   * @param {any} position as the API answers it
   * @param {import('./prices.js').Tier[]} tiers
   * @returns {string} the words for the title of the page
   */
  show(position, tiers) {
    const { place } = this.#journey.steps;
    const number = position.number ?? place?.number;
    fill('number', number ? grouped(number) : NOT_KNOWN);
    fill('queue-title', titleFor(position));
    this.#tail.show(position, tiers);
    this.#showLeft(tiers);
    if (position.ahead === null || position.ahead === undefined) return titleFor(position);
    this.#showWait(position);
    return this.#showAhead(position);
  }

  /** Shows how news comes. @param {'live' | 'polled' | 'none'} link */
  showLink(link) {
    part('link').dataset.link = link;
    fill('link-words', LINKS[link]);
  }

  /** What was said belongs to the place that is gone. */
  stop() {
    this.#ahead = null;
    fill('rise', '');
  }

  /** @param {any} position */
  #showWait(position) {
    // A pause is said at once: while it lasts, nothing may come that would let it be said later.
    const stand = standsStill(position) ? 'Paused' : STANDS[position.sale_state];
    const wait = stand ?? this.#wait.of(waitInWords(position.eta_s));
    fill('wait', wait || NOT_KNOWN);
  }

  /** @param {any} position */
  #showAhead(position) {
    const { ahead } = position;
    const wait = STANDS[position.sale_state] ? '' : waitInWords(position.eta_s);
    const odds = this.#odds.of(oddsInWords(position));
    this.#showRise(ahead);
    this.#ahead = ahead;
    fill('odds', odds);
    part('odds').dataset.odds = position.odds ?? '';
    fill('ahead', grouped(ahead));
    part('ahead').toggleAttribute('data-long', ahead >= LONG_FROM);
    fill('ahead-label', aheadInWords(ahead));
    this.#showProgress(ahead);
    this.#announcer.ahead(ahead, [`${grouped(ahead)} ${aheadInWords(ahead)}.`, wait && `Estimated wait: ${wait}.`, odds].filter(Boolean).join(' '));
    if (standsStill(position)) return 'Paused';
    return ahead === 0 ? 'You are next' : `${grouped(ahead)} ahead`;
  }

  /** A number that rises has a reason, and it is said. @param {number} ahead */
  #showRise(ahead) {
    if (this.#ahead === null || ahead <= this.#ahead) return;
    const came = ahead - this.#ahead;
    fill('rise', `${came === 1 ? 'A person' : `${grouped(came)} people`} with a lower number came back, so there are more ahead of you than before.`);
    clearTimeout(this.#riseTimer);
    this.#riseTimer = setTimeout(() => fill('rise', ''), RISE_SHOWN_MS);
  }

  /** Progress counts from the most that were ever ahead. @param {number} ahead */
  #showProgress(ahead) {
    const { place } = this.#journey.steps;
    const firstAhead = Math.max(place?.firstAhead ?? 0, ahead);
    if (place && place.firstAhead !== firstAhead) this.#journey.remember({ place: { ...place, firstAhead } });
    const progress = /** @type {HTMLProgressElement} */ (part('progress'));
    progress.hidden = firstAhead === 0;
    progress.max = firstAhead + 1;
    progress.value = firstAhead - ahead;
  }

  /** @param {import('./prices.js').Tier[]} tiers */
  #showLeft(tiers) {
    const entries = tiers.map((tier) => [tier.name, leftInWords(tier.availability) || 'unknown', tier.availability?.level ?? '']);
    const list = part('left');
    const key = JSON.stringify(entries);
    if (list.dataset.shown === key) return;
    list.dataset.shown = key;
    list.replaceChildren(...entries.map(([name, words, level]) => element('li', {},
      element('span', {}, name), element('span', { class: 'availability', 'data-level': level }, words))));
  }
}

/** @param {any} position */
function titleFor(position) {
  if (standsStill(position)) return 'The sale is paused';
  if (position.ahead === 0 && position.sale_state === 'open') return 'You are next';
  return TITLES[position.sale_state] ?? 'You are in the queue';
}

/**
 * What happens next, step by step.
 * @param {any} position
 * @returns {string[]}
 */
export function nextSteps({ state, sale_state: sale }) {
  const turn = 'When it is your turn, this page says so, and you have a few minutes to choose your tickets. They are held for you while you pay.';
  if (state === 'prequeue') {
    return ['When the sale opens, the order is drawn at random, and you get your number.', 'Then this page shows how many people are ahead of you.', turn];
  }
  const first = sale === 'sold_out'
    ? 'Every ticket is sold or being paid for. If a payment fails, its tickets come back, and the queue moves on.'
    : 'Keep this page open. You may reload it, switch networks, or look at other tabs.';
  return [first, turn, 'If you are away, others go first. Your number is kept for half an hour, and when you return you are first in line.'];
}
