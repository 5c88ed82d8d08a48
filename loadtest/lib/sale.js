/**
 * The sale of a run: set up and published through the organizer's API before anybody comes, audited and closed through it afterwards.
 */

import { sleep } from 'k6';
import { Gauge, Rate } from 'k6/metrics';

import { ORGANIZER_KEY, QUANTITY, SETTLE_S, count, text } from './config.js';
import { askNow, newKey } from './http.js';

const LIVE_WITHIN_S = 30;
const LOOK_EVERY_S = 0.2;

/** Turns a second, at once, and people inside. */
export const RATE_PER_S = count('RATE_PER_S', 50);
export const BURST = count('BURST', RATE_PER_S);
export const MAX_SHOPPERS = count('MAX_SHOPPERS', 2_000);
/** What a hold lasts before what paying takes is added, and its bounds. */
export const CHECKOUT_WINDOW_S = count('CHECKOUT_WINDOW_S', 60);
export const TTL_MIN_S = count('TTL_MIN_S', 30);
export const TTL_MAX_S = count('TTL_MAX_S', 600);
/** Whether the sale stays open for whoever looks at it afterwards. */
const KEEP_SALE = text('KEEP_SALE', '') !== '';

const held = new Rate('audit_held');
const sold = new Gauge('units_sold');
const capacity = new Gauge('units_capacity');

/** Asks the organizer's API, and ends the run where that does not work. */
export function organizer(method, path, body) {
  const answer = askNow(method, `/v1/organizer/sales${path}`, { name: 'organizer', token: ORGANIZER_KEY, key: newKey(), body });
  if (answer.ok) return answer.body;
  throw new Error(`${method} /v1/organizer/sales${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
}

export const inSeconds = (seconds) => new Date(Date.now() + seconds * 1_000).toISOString();

/**
 * Puts a sale on sale and waits until it can be joined; gives what the fans need to know.
 * @param name of the scenario @param seats how many units there are @param opens_in_s when the doors open; 0 is at once, without a
 * prequeue @param fields that differ from the usual sale
 */
export function putsOnSale(name, seats, opens_in_s = 0, fields = {}) {
  return publishes({
    name: `Load test: ${name}`,
    slug: `load-${name}-${Date.now().toString(36)}`,
    currency: 'eur',
    category: 'load test',
    tiers: [{ id: 'standing', name: 'Standing', price: 4_500, capacity: seats }],
    per_buyer_limit: Math.max(QUANTITY, 4),
    fees: [{ name: 'Service fee', per_unit: 150 }],
    taxes: [{ name: 'VAT 7 %', basis_points: 700 }],
    // Stripe's own test cards are one card each, whoever uses them.
    payment: { same_card: 'separate_buyers' },
    admission: { rate_per_s: RATE_PER_S, burst: BURST, max_shoppers: MAX_SHOPPERS },
    hold: { checkout_window_s: CHECKOUT_WINDOW_S, min_ttl_s: TTL_MIN_S, max_ttl_s: TTL_MAX_S },
    ...(opens_in_s > 0 ? { prequeue_opens_at: inSeconds(0), opens_at: inSeconds(opens_in_s) } : { opens_at: '2026-01-01T00:00:00Z' }),
    ...fields,
  });
}

/** Publishes a sale and waits until it can be joined; gives what the fans need to know. */
export function publishes(config) {
  if (!ORGANIZER_KEY) throw new Error('ONSALE_ORGANIZER_KEY is not set: `onsale keys create --role organizer` makes one');
  const { id } = organizer('POST', '', config);
  organizer('POST', `/${id}/publish`);
  for (const until = Date.now() + LIVE_WITHIN_S * 1_000; Date.now() < until; sleep(LOOK_EVERY_S)) {
    if (askNow('GET', `/v1/sales/${id}`, { name: 'sale' }).ok) return { sale: id, opens_at: Date.parse(config.opens_at) };
  }
  throw new Error(`the sale ${id} cannot be joined ${LIVE_WITHIN_S} s after it was published`);
}

/**
 * Audits the sale through the API once what is under way has ended, and closes it. A breach fails the run by the threshold of
 * `audit_held`, and so does an audit that was not to be had. Gives what was counted.
 */
export function auditsAndCloses({ sale }) {
  const audit = audited(sale);
  for (const { invariant, title, breaches } of audit.lines) {
    for (const breach of breaches) console.error(`${invariant} ${title}: ${breach}`);
  }
  held.add(audit.holds);
  const { figures } = audit.lines.find(({ invariant }) => invariant === 'I2');
  sold.add(figures.sold);
  capacity.add(figures.capacity);
  if (!KEEP_SALE) organizer('POST', `/${sale}/close`);
  return figures;
}

function audited(sale) {
  for (const until = Date.now() + SETTLE_S * 1_000; ; sleep(1)) {
    const { ok, status, body } = askNow('GET', `/v1/organizer/sales/${sale}/audit`, { name: 'audit', token: ORGANIZER_KEY });
    const is_late = Date.now() > until;
    if (ok && (is_late || isSettled(body))) return body;
    if (!ok && (is_late || status < 500)) {
      held.add(false);
      throw new Error(`there is no audit: ${status} ${JSON.stringify(body)}`);
    }
  }
}

/** Whether no payment is under way. */
function isSettled({ lines }) {
  const { figures } = lines.find(({ invariant }) => invariant === 'I5');
  return figures.authorised_waiting === 0 && figures.refunds_open === 0;
}
