/**
 * Reconnect storm: everybody's connection drops at the same moment, and everybody comes back, as after a gateway or a network was
 * away. Each must hear the position again soon, and still have the place. Where the gateway drains, its `reconnect` frame says when to
 * come back; where the network was away nobody says it, and clients come back within `SPREAD_S`.
 */

import exec from 'k6/execution';
import { Rate, Trend } from 'k6/metrics';

import { SLO, SLO_FACTOR, count, number } from '../lib/config.js';
import { joins, leaves, newAddress } from '../lib/fan.js';
import { rest } from '../lib/http.js';
import { Watch } from '../lib/live.js';
import { optionsOf, people, sizeOfGroup } from '../lib/options.js';
import { auditsAndCloses, putsOnSale } from '../lib/sale.js';
import { summaryOf } from '../lib/summary.js';

const SOCKETS = count('SOCKETS', 500);
const ROUNDS = count('ROUNDS', 2);
const CONNECT_WITHIN_S = number('CONNECT_WITHIN_S', 5);
const SPREAD_S = number('SPREAD_S', 3);
const BACK_WITHIN_S = number('BACK_WITHIN_S', 10);
/** Nobody is let in meanwhile. */
const OPENS_IN_S = 7_200;

const back = new Trend('told_again_within', true);
const kept = new Rate('place_kept');

export const options = optionsOf('reconnect-storm', { visitors: people(SOCKETS) }, {
  place_kept: ['rate==1'],
  told_again_within: [`p(99)<${SLO.socket_frame_lag_p99_s * 1_000 * SLO_FACTOR}`],
});
export const setup = () => ({ ...putsOnSale('reconnect-storm', 100, OPENS_IN_S), first_storm_at: Date.now() + CONNECT_WITHIN_S * 2_000 });
export const teardown = (data) => auditsAndCloses(data);
export const handleSummary = summaryOf('reconnect-storm');

export default async function ({ sale, first_storm_at }) {
  const size = sizeOfGroup(exec.scenario.iterationInTest, SOCKETS);
  await Promise.all(Array.from({ length: size }, () => holdsOut(sale, first_storm_at)));
}

/** One visitor through all storms. */
async function holdsOut(sale, first_storm_at) {
  const visitor = { sale, address: newAddress() };
  await rest(Math.random() * CONNECT_WITHIN_S * 1_000);
  await joins(visitor, first_storm_at);
  let heard = () => {};
  const watch = new Watch(visitor, ({ type, data }) => type === 'position' && heard(data));
  for (let round = 0; round < ROUNDS; round += 1) {
    await rest(first_storm_at + round * (SPREAD_S + BACK_WITHIN_S) * 1_000 - Date.now());
    const away_ms = Math.random() * SPREAD_S * 1_000;
    const position = new Promise((resolve) => {
      setTimeout(() => { heard = resolve; }, away_ms);
    });
    watch.drop(away_ms);
    const back_at = Date.now() + away_ms;
    const told = await Promise.race([position, rest(away_ms + BACK_WITHIN_S * 1_000)]);
    kept.add(told !== undefined && told.state === 'prequeue');
    back.add(Date.now() - back_at);
  }
  watch.close();
  await leaves(visitor);
}
