/**
 * Waitlist: everything is sold, some join the waitlist and confirm by mail, the organizer takes orders back, and what is freed is
 * offered, claimed and paid for. Reads mail from the sandbox's sink (MAIL_URL). A new line begins with five minutes for those who
 * queue: the runner sets the clock of its sandbox ahead when it reads `set the clock ahead`; elsewhere that takes five minutes.
 */

import { sleep } from 'k6';
import exec from 'k6/execution';
import { Rate } from 'k6/metrics';

import { MAIL_URL, QUANTITY, count, number } from '../lib/config.js';
import { PLAN, crowd, hasTickets, newAddress, pays } from '../lib/fan.js';
import { ask, insist, rest } from '../lib/http.js';
import { optionsOf, people, sizeOfGroup } from '../lib/options.js';
import { auditsAndCloses, organizer, putsOnSale } from '../lib/sale.js';
import { summaryOf } from '../lib/summary.js';

const SEATS = count('SEATS', 20);
const WAITERS = count('WAITERS', 6);
/** Sold out, joined and confirmed; offered after the clock was set ahead, or five minutes; and paid. */
const SOLD_WITHIN_S = number('SOLD_WITHIN_S', 60);
const MAIL_WITHIN_S = number('MAIL_WITHIN_S', 60);
const OFFER_WITHIN_S = number('OFFER_WITHIN_S', 420);
const LOOK_EVERY_MS = 1_000;

const fans = Math.floor(SEATS / QUANTITY);
const bound = `${SOLD_WITHIN_S + MAIL_WITHIN_S + OFFER_WITHIN_S + 120}s`;
const claimed = new Rate('offers_claimed');

export const options = optionsOf('waitlist', {
  fans: people(fans, 'buys'),
  waiters: people(WAITERS, 'waits', { maxDuration: bound, gracefulStop: bound }),
  organizer: { executor: 'shared-iterations', vus: 1, iterations: 1, maxDuration: bound, exec: 'takesBack' },
}, { offers_claimed: ['rate==1'] });

export function setup() {
  if (!MAIL_URL) throw new Error('MAIL_URL is not set: who joins a waitlist confirms by mail, which this scenario reads from a sink');
  if (SEATS % QUANTITY !== 0 || WAITERS > fans) throw new Error('SEATS must be a multiple of QUANTITY, and WAITERS no more than buyers');
  return putsOnSale('waitlist', SEATS);
}

export const teardown = (data) => auditsAndCloses(data);
export const handleSummary = summaryOf('waitlist');

export const buys = ({ sale }) => crowd(sale, sizeOfGroup(exec.scenario.iterationInTest, fans), 1_000);

export async function waits({ sale }) {
  const size = sizeOfGroup(exec.scenario.iterationInTest, WAITERS);
  await Promise.all(Array.from({ length: size }, async () => {
    try {
      await getsAnOffer(sale);
      claimed.add(true);
    } catch (failure) {
      console.error(`somebody on the waitlist: ${failure.message}`);
      claimed.add(false);
    }
  }));
}

/** One who waits, from the wish to the tickets. */
async function getsAnOffer(sale) {
  const fan = { sale, address: newAddress() };
  const email = `waits-${crypto.randomUUID()}@example.org`;
  const at = `/v1/sales/${sale}/waitlist`;
  const within = (seconds) => Date.now() + seconds * 1_000;
  await until(SOLD_WITHIN_S, 'sold out', async () => {
    const { ok, body } = await ask('GET', `/v1/sales/${sale}`, { name: 'sale', address: fan.address });
    return ok && body.state === 'sold_out';
  });
  const wish = { tiers: [PLAN.tier], quantity: QUANTITY, email };
  good(await insist(within(SOLD_WITHIN_S), 'POST', at, { name: 'wish', address: fan.address, body: wish }), 'joining');
  const [, entry, token] = await until(MAIL_WITHIN_S, 'mailed', () => linkTo(email));
  const mine = { address: fan.address, token };
  good(await insist(within(MAIL_WITHIN_S), 'POST', `${at}/${entry}/confirm`, { name: 'confirm', ...mine }), 'confirming');
  await until(OFFER_WITHIN_S, 'offered', async () => {
    const { ok, body } = await ask('GET', `${at}/${entry}`, { name: 'show_entry', ...mine });
    return ok && body.state === 'offered';
  });
  const claim = await insist(within(SOLD_WITHIN_S), 'POST', `${at}/${entry}/claim`, { name: 'claim', ...mine, body: { name: 'Who Waited' } });
  const order = good(claim, 'claiming');
  await pays(fan, order, PLAN.card);
  await hasTickets(fan, order, PLAN);
}

async function linkTo(email) {
  const { ok, body } = await ask('GET', `${MAIL_URL.replace(/\/+$/, '')}/mails.json`, { name: 'mail' });
  const mail = ok && body.data.find(({ to }) => to.includes(email));
  return mail ? /\/waitlist\/(wle_\w+)#token=(\S+)/.exec(mail.text) : null;
}

export function takesBack({ sale }) {
  const confirmed = () => organizer('GET', `/${sale}/waitlist`).lines.reduce((sum, line) => sum + line.confirmed, 0);
  for (const late = Date.now() + (SOLD_WITHIN_S + MAIL_WITHIN_S) * 1_000; confirmed() < WAITERS; sleep(1)) {
    if (Date.now() > late) throw new Error('those who wait did not confirm in time');
  }
  const paid = organizer('GET', `/${sale}/orders?state=paid&limit=100`).data.slice(0, WAITERS);
  for (const { id } of paid) organizer('POST', `/${sale}/orders/${id}/refunds`, { whole: true, reason: 'load test of the waitlist' });
  console.log('set the clock ahead');
}

/** What comes of it once it comes of it. */
async function until(seconds, what, look) {
  for (const late = Date.now() + seconds * 1_000; Date.now() < late; await rest(LOOK_EVERY_MS)) {
    const found = await look();
    if (found) return found;
  }
  throw new Error(`not ${what} after ${seconds} s`);
}

function good(answer, doing) {
  if (answer.ok) return answer.body;
  throw new Error(`${doing}: ${answer.status} ${answer.code}`);
}
