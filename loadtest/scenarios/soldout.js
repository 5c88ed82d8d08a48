/** Sold out: twenty times as much is wanted as there is. Everything is sold, and everybody else is told so. */

import exec from 'k6/execution';
import { Rate } from 'k6/metrics';

import { QUANTITY, count, number } from '../lib/config.js';
import { crowd } from '../lib/fan.js';
import { optionsOf, people, sizeOfGroup } from '../lib/options.js';
import { auditsAndCloses, putsOnSale } from '../lib/sale.js';
import { summaryOf } from '../lib/summary.js';

const SEATS = count('SEATS', 50);
const DEMAND = number('DEMAND', 20);
const COME_WITHIN_S = number('COME_WITHIN_S', 10);

const fans = Math.ceil((SEATS * DEMAND) / QUANTITY);
const whole = new Rate('sold_whole');

export const options = optionsOf('soldout', { fans: people(fans) }, { sold_whole: ['rate==1'] });
export const setup = () => putsOnSale('soldout', SEATS);
export const handleSummary = summaryOf('soldout');

export default ({ sale }) => crowd(sale, sizeOfGroup(exec.scenario.iterationInTest, fans), COME_WITHIN_S * 1_000);

export function teardown(data) {
  const { sold } = auditsAndCloses(data);
  // Fewer than one buyer wants may be left.
  whole.add(SEATS - sold < QUANTITY);
}
