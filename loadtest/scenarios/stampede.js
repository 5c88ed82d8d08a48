/**
 * Stampede: the opening instant. Some wait in the prequeue; when the doors open they are drawn, and a crowd joins behind them. There
 * is less than is wanted: those who are too late are told so.
 */

import exec from 'k6/execution';

import { count, number } from '../lib/config.js';
import { crowd } from '../lib/fan.js';
import { rest } from '../lib/http.js';
import { arriving, groupOf, optionsOf, people, sizeOfGroup, spread_ms } from '../lib/options.js';
import { auditsAndCloses, putsOnSale } from '../lib/sale.js';
import { summaryOf } from '../lib/summary.js';

const SEATS = count('SEATS', 500);
const PREQUEUE_FANS = count('PREQUEUE_FANS', 200);
const OPENS_IN_S = number('OPENS_IN_S', 15);
const JOINS_PER_S = count('JOINS_PER_S', 50);
const RAMP_S = count('RAMP_S', 1);
const DURATION_S = count('DURATION_S', 10);
/** Setting the sale up takes a moment of the time until it opens. */
const SET_UP_S = 3;

const groups = Math.ceil((JOINS_PER_S * (DURATION_S + RAMP_S)) / groupOf(JOINS_PER_S)) + 1;

export const options = optionsOf('stampede', {
  prequeue: people(PREQUEUE_FANS, 'registers'),
  opening: arriving(JOINS_PER_S, [[1, RAMP_S], [1, DURATION_S]], groups, { startTime: `${OPENS_IN_S}s`, exec: 'comes' }),
}, { dropped_iterations: ['count==0'] });
export const setup = () => putsOnSale('stampede', SEATS, OPENS_IN_S + SET_UP_S);
export const teardown = (data) => auditsAndCloses(data);
export const handleSummary = summaryOf('stampede');

export const registers = ({ sale, opens_at }) =>
  crowd(sale, sizeOfGroup(exec.scenario.iterationInTest, PREQUEUE_FANS), (opens_at - Date.now()) / 2);

export async function comes({ sale, opens_at }) {
  await rest(opens_at - Date.now());
  return crowd(sale, groupOf(JOINS_PER_S), spread_ms(JOINS_PER_S));
}
