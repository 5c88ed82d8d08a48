/** The list of published sales. */

import { publishedSales } from './api.js';
import { salePage } from './address.js';
import { msUntil } from './clock.js';
import { element, note, once, part, show, warn } from './page.js';
import { untilAnswered } from './patience.js';
import { sentenceFor } from './problems.js';
import { momentInWords } from './times.js';

/** @type {Record<string, string>} */
const STATES = {
  scheduled: 'Opens soon', prequeue: 'Registration is open', open: 'On sale now', paused: 'Paused for a moment',
  sold_out: 'Sold out', closed: 'Ended', cancelled: 'Called off',
};

const sales = part('sales');
const more = part('more');
/** @type {string | null} */
let cursor = null;

/** @param {any} sale */
function saleEntry({ slug, name, state, opens_at: opensAt, time_zone: timeZone, venue }) {
  // A sale that opens anew, for its next phase, has an opening behind it.
  const isToCome = (state === 'scheduled' || state === 'prequeue') && msUntil(opensAt) > 0;
  const facts = [venue, isToCome ? `opens ${momentInWords(opensAt, timeZone)}` : ''];
  return element('li', {},
    element('a', { href: salePage(slug) }, name),
    element('span', { class: 'hint' }, facts.filter(Boolean).join(' · ')),
    element('span', { class: 'state', 'data-state': state }, STATES[state] ?? ''));
}

async function loadMore() {
  try {
    const answer = await untilAnswered(() => publishedSales(cursor), (problem) => note(sentenceFor(problem)));
    note('');
    cursor = answer.next_cursor;
    sales.append(...answer.data.map(saleEntry));
    more.hidden = cursor === null;
    show(sales.childElementCount > 0 ? 'list' : 'none');
  } catch (failure) {
    warn(sentenceFor(failure));
  }
}

more.addEventListener('click', () => once(more, loadMore));
await loadMore();
