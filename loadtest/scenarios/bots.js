/**
 * Bots: some hammer from one address each: joins without end, one place asked for again and again, forged passes, the same hold again
 * and again. They are limited and refused; fans who come meanwhile are served as ever.
 */

import { sleep } from 'k6';
import exec from 'k6/execution';
import { Counter, Rate } from 'k6/metrics';

import { count, number } from '../lib/config.js';
import { crowd, newAddress } from '../lib/fan.js';
import { askNow, newKey } from '../lib/http.js';
import { optionsOf, people, sizeOfGroup } from '../lib/options.js';
import { auditsAndCloses, putsOnSale } from '../lib/sale.js';
import { summaryOf } from '../lib/summary.js';

const SEATS = count('SEATS', 2_000);
const FANS = count('FANS', 50);
const BOTS = count('BOTS', 4);
const DURATION_S = count('DURATION_S', 20);
const BOT_REST_MS = number('BOT_REST_MS', 20);
/** Rounds of a bot between two joins. */
const JOIN_EVERY = count('BOT_JOIN_EVERY', 20);
/** The shape of a token, and nobody's. */
const FORGED = 'pass_v1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

const served = new Rate('served');
const refused = new Rate('forgeries_refused');
const turned_away = new Counter('bots_turned_away');

export const options = optionsOf('bots', {
  bots: { executor: 'constant-vus', vus: BOTS, duration: `${DURATION_S}s`, exec: 'hammers' },
  fans: people(FANS, 'comes'),
}, { served: ['rate==1'], forgeries_refused: ['rate==1'], bots_turned_away: ['count>0'] });
export const setup = () => putsOnSale('bots', SEATS);
export const teardown = (data) => auditsAndCloses(data);
export const handleSummary = summaryOf('bots');

/** What this bot keeps from round to round. */
let bot = null;
let rounds = 0;

export function hammers({ sale }) {
  bot ??= { address: newAddress(), place: '', key: newKey() };
  const at = `/v1/sales/${sale}`;
  if (rounds % JOIN_EVERY === 0) {
    const joined = askNow('POST', `${at}/queue`, { name: 'bot_join', address: bot.address });
    if (joined.ok && !bot.place) bot.place = joined.body.place.token;
  }
  rounds += 1;
  const place = askNow('GET', `${at}/queue/place`, { name: 'bot_place', address: bot.address, token: bot.place });
  if (place.status === 429) turned_away.add(1);
  const pass = place.ok ? place.body.pass : null;
  const body = { items: [{ tier: 'standing', quantity: 1 }] };
  if (pass) askNow('POST', `${at}/holds`, { name: 'bot_hold', address: bot.address, token: pass, key: bot.key, body });
  const forged = askNow('POST', `${at}/holds`, { name: 'bot_forged', address: bot.address, token: FORGED, key: bot.key, body });
  refused.add(forged.status === 401 || forged.status === 429);
  sleep(BOT_REST_MS / 1_000);
}

export async function comes({ sale }) {
  const endings = await crowd(sale, sizeOfGroup(exec.scenario.iterationInTest, FANS), DURATION_S * 500);
  for (const ending of endings) if (ending !== 'left') served.add(ending === 'paid');
}
