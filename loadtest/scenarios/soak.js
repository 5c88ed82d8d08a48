/** Soak: a steady rate for long, and enough for all: what grows, leaks or slows down shows. */

import { count } from '../lib/config.js';
import { crowd } from '../lib/fan.js';
import { GRACE_S, arriving, groupOf, optionsOf, spread_ms } from '../lib/options.js';
import { auditsAndCloses, putsOnSale } from '../lib/sale.js';
import { summaryOf } from '../lib/summary.js';

const SEATS = count('SEATS', 50_000);
const JOINS_PER_S = count('JOINS_PER_S', 5);
const DURATION_S = count('DURATION_S', 3_600);

const groups = Math.ceil((JOINS_PER_S / groupOf(JOINS_PER_S)) * Math.min(DURATION_S, GRACE_S)) + 1;

export const options = optionsOf('soak', { fans: arriving(JOINS_PER_S, [[1, 1], [1, DURATION_S]], groups) }, {
  dropped_iterations: ['count==0'],
});
export const setup = () => putsOnSale('soak', SEATS);
export const teardown = (data) => auditsAndCloses(data);
export const handleSummary = summaryOf('soak');

export default ({ sale }) => crowd(sale, groupOf(JOINS_PER_S), spread_ms(JOINS_PER_S));
