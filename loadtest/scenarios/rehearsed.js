/**
 * Rehearsed: the sale of a rehearsal, in its own time, with a crowd of the same assumptions that is drawn anew. The runner compares
 * what came of it with the forecast of the rehearsal, whose `report.json` REPORT names. The sale is closed when all is sold, and at
 * the latest some time after it was over in the rehearsal.
 */

import exec from 'k6/execution';

import { ORGANIZER_KEY, text } from '../lib/config.js';
import { planOf } from '../lib/crowd.js';
import { askNow, msOf, rest } from '../lib/http.js';
import { optionsOf, people, sizeOfGroup } from '../lib/options.js';
import { lives } from '../lib/rehearsed.js';
import { auditsAndCloses, inSeconds, organizer, publishes } from '../lib/sale.js';
import { summaryOf } from '../lib/summary.js';

const REPORT = text('REPORT', '');
if (!REPORT) throw new Error('REPORT is not set: report.json of a rehearsal, as `onsale rehearse` writes it');
const { sale, counts, forecast, rehearsed } = JSON.parse(open(REPORT));
const { crowd, in_real_time } = rehearsed;

const FANS = counts.outcome.fans;
/** Between setting the sale up and the first fans. */
const SET_UP_S = 5;
/** Half as long again as in the rehearsal, and a little. */
const CLOSES_AFTER_S = 1.5 * forecast.paid_units_at.at(-1).after_s + 30;
/** For those who pay just then. */
const HOME_WITHIN_S = 400;
const LOOK_EVERY_MS = 500;

const opens_in_s = crowd.arrivals.before_s + SET_UP_S;
const bound = `${Math.ceil(opens_in_s + CLOSES_AFTER_S + HOME_WITHIN_S)}s`;
const lasts = { maxDuration: bound, gracefulStop: bound };

export const options = optionsOf('rehearsed', {
  fans: people(FANS, 'comes', lasts),
  organizer: { executor: 'shared-iterations', vus: 1, iterations: 1, exec: 'looks', ...lasts },
});
export const teardown = (data) => auditsAndCloses(data);
export const handleSummary = summaryOf('rehearsed');

export function setup() {
  const opens_at = inSeconds(opens_in_s);
  const prequeue_opens_at = sale.prequeue ? inSeconds(0) : opens_at;
  const slug = `load-rehearsed-${Date.now().toString(36)}`;
  return publishes({ ...in_real_time, slug, opens_at, prequeue_opens_at });
}

export async function comes(data) {
  const size = sizeOfGroup(exec.scenario.iterationInTest, FANS);
  await Promise.all(Array.from({ length: size }, () => lives(data, planOf(crowd, sale))));
}

/** Looks into the books how much is sold, until it is all. */
export async function looks({ sale: id, opens_at }) {
  const closes_at = opens_at + CLOSES_AFTER_S * 1_000;
  await rest(opens_at - Date.now());
  for (let units = 0; units < sale.units && Date.now() < closes_at; await rest(LOOK_EVERY_MS)) {
    const { ok, body } = askNow('GET', `/v1/organizer/sales/${id}/ledger`, { name: 'organizer', token: ORGANIZER_KEY });
    if (!ok) continue;
    const seats = body.accounts.filter(({ account }) => account === 'seats_sold');
    units = seats.reduce((sum, { balance }) => sum + balance, 0);
    console.log(`sold ${JSON.stringify({ at_s: (msOf(body.as_of) - opens_at) / 1_000, units })}`);
  }
  organizer('POST', `/${id}/close`);
}
