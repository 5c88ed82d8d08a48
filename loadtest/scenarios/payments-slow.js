/**
 * Slow payments: Stripe takes seconds (the runner makes its fake slow, see STRIPE_LATENCY_MS). Holds last longer for it, so nobody who
 * pays loses seats: everybody has tickets in the end. No bound is put on how long pressing Pay takes.
 */

import exec from 'k6/execution';
import { Gauge, Rate } from 'k6/metrics';

import { count, number } from '../lib/config.js';
import { crowd } from '../lib/fan.js';
import { optionsOf, people, sizeOfGroup } from '../lib/options.js';
import { auditsAndCloses, organizer, putsOnSale } from '../lib/sale.js';
import { summaryOf } from '../lib/summary.js';

const FANS = count('FANS', 100);
const SEATS = count('SEATS', 400);
const COME_WITHIN_S = number('COME_WITHIN_S', 30);

const served = new Rate('served');
const covers = new Rate('hold_covers_paying');
const p99 = new Gauge('payment_p99_ms');

export const options = optionsOf('payments-slow', { fans: people(FANS) }, {
  served: ['rate==1'],
  hold_covers_paying: ['rate==1'],
  'http_req_duration{name:pay}': ['p(99)<30000'],
});
export const setup = () => putsOnSale('payments-slow', SEATS);
export const handleSummary = summaryOf('payments-slow');

export default async function ({ sale }) {
  const endings = await crowd(sale, sizeOfGroup(exec.scenario.iterationInTest, FANS), COME_WITHIN_S * 1_000);
  for (const ending of endings) if (ending !== 'left') served.add(ending === 'paid');
}

export function teardown(data) {
  const { hold } = organizer('GET', `/${data.sale}/queue`);
  p99.add(hold.payment_p99_ms);
  covers.add(hold.ttl_s * 1_000 >= hold.checkout_window_s * 1_000 + hold.payment_p99_ms);
  auditsAndCloses(data);
}
