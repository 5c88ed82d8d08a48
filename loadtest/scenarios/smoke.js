/** Smoke: a few fans and enough for all. Everybody has tickets in the end, or something is broken. */

import exec from 'k6/execution';
import { Rate } from 'k6/metrics';

import { count } from '../lib/config.js';
import { crowd } from '../lib/fan.js';
import { optionsOf, people, sizeOfGroup } from '../lib/options.js';
import { auditsAndCloses, putsOnSale } from '../lib/sale.js';
import { summaryOf } from '../lib/summary.js';

const FANS = count('FANS', 12);
const SEATS = count('SEATS', 100);
const COME_WITHIN_MS = 1_000;

const served = new Rate('served');

export const options = optionsOf('smoke', { fans: people(FANS) }, { served: ['rate==1'] });
export const setup = () => putsOnSale('smoke', SEATS);
export const teardown = (data) => auditsAndCloses(data);
export const handleSummary = summaryOf('smoke');

export default async function ({ sale }) {
  const endings = await crowd(sale, sizeOfGroup(exec.scenario.iterationInTest, FANS), COME_WITHIN_MS);
  for (const ending of endings) if (ending !== 'left') served.add(ending === 'paid');
}
