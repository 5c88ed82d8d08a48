/**
 * A fan of a rehearsed crowd: goes as far as its plan (`crowd.js`) says, as one of `onsale rehearse` does, and ends with one line that
 * tells its story, in seconds from the opening. The runner reads these lines (`forecast.mjs`).
 *
 * Nobody who waits goes home because everything is ordered: some of it comes back. The end is that the sale is closed.
 */

import { Ended, answersTheBank, hasTickets, leaves, life, orders, pays, polls, refusal, watches } from './fan.js';
import { ask, newKey, rest } from './http.js';

const OVER = ['closed', 'cancelled'];
/** Who polls is heard of that often, at least, also while it thinks. */
const HEARD_OF_EVERY_MS = 5_000;
/** How long something that fails in passing is tried again. */
const INSISTS_MS = 90_000;
const TICKETS_WITHIN_S = 300;
/** How long finding another card takes. */
const OTHER_CARD_S = 10;
const CARDS = {
  yes: 'pm_card_visa', no: 'pm_card_chargeDeclined', no_then_yes: 'pm_card_chargeDeclined',
  asks: 'pm_card_authenticationRequired', asks_in_vain: 'pm_card_authenticationRequired',
};
const TURN_IS_OVER = ['pass_expired', 'pass_invalid', 'unauthorized'];
const LESS_IS_LEFT = ['too_few_left', 'limit_reached'];
const TIER_IS_GONE = ['sold_out', 'too_few_left', 'allocation_sold_out'];

/** Lives through the sale; gives how it ended. */
export async function lives({ sale, opens_at }, plan) {
  const story = { waits: [], inside: [], sockets: [], holds: 0, orders: 0, units: 0 };
  await rest(opens_at + plan.arrives_s * 1_000 - Date.now());
  const ending = await life(sale, (person) => comesAndGoes(new Rehearsed(person, plan, opens_at, story)), true);
  console.log(`story ${JSON.stringify({ ending, ...story })}`);
  return ending;
}

class Rehearsed {
  constructor(person, plan, opens_at, story) {
    this.person = person;
    this.plan = plan;
    this.opens_at = opens_at;
    this.story = story;
    this.silence = plan.silence;
    this.path = `/v1/sales/${person.sale}`;
  }

  /** Seconds from the opening. */
  get now_s() {
    return Math.round(Date.now() - this.opens_at) / 1_000;
  }

  asks(method, path, name, more = {}) {
    return ask(method, this.path + path, { name, address: this.person.address, ...more });
  }

  /** Connected from now on. */
  connects() {
    this.story.sockets.push([this.now_s, null]);
  }

  /** Not connected any more, if it was. */
  disconnects() {
    const last = this.story.sockets.at(-1);
    if (last && last[1] === null) last[1] = this.now_s;
  }

  hangsUp() {
    if (this.person.watch) this.person.watch.close();
    this.person.watch = null;
    this.disconnects();
  }

  /** Thinks, and stays in touch meanwhile. */
  async thinks(seconds) {
    const until = Date.now() + seconds * 1_000;
    while (!this.plan.has_socket && until - Date.now() > HEARD_OF_EVERY_MS) {
      await rest(HEARD_OF_EVERY_MS);
      await this.asks('GET', '/queue/place', 'place', { token: this.person.place });
    }
    await rest(until - Date.now());
  }
}

async function comesAndGoes(fan) {
  await fan.asks('GET', '', 'sale');
  if (fan.plan.aim === 'looks') throw new Ended('left');
  await joins(fan);
  if (fan.plan.aim === 'vanishes') throw new Ended('left');
  try {
    while (!(await hasItsTurn(fan)));
  } finally {
    fan.hangsUp();
  }
}

/** Joins as soon as one can. */
async function joins(fan) {
  for (const until = Date.now() + INSISTS_MS; ;) {
    const answer = await fan.asks('POST', '/queue', 'join');
    if (answer.ok) {
      fan.person.place = answer.body.place.token;
      fan.joined_ms = Date.now();
      return;
    }
    const opens_in_ms = fan.opens_at + fan.plan.jitter_s * 1_000 - Date.now();
    if (answer.code === 'sale_not_open') await rest(Math.max(opens_in_ms, 1_000));
    else if (answer.again && Date.now() < until) await rest(answer.again_after_ms);
    else throw refusal('joining', answer);
  }
}

/** Waits for a turn and uses it; says whether that was the end, or the turn lapsed. */
async function hasItsTurn(fan) {
  await waits(fan);
  const from_s = fan.now_s;
  try {
    return await shops(fan);
  } finally {
    fan.story.inside.push([from_s, fan.now_s]);
  }
}

async function waits(fan) {
  const { person, plan } = fan;
  const since_ms = Math.max(fan.joined_ms, fan.opens_at);
  const until = since_ms + plan.patience_s * 1_000;
  const told = await (plan.has_socket ? hears(fan, until) : polls(person, until, OVER));
  if (told.over) throw new Ended('sold_out');
  if (!told.pass) {
    await leaves(person);
    throw new Ended('waiting');
  }
  person.pass = told.pass;
  fan.story.waits.push(Math.round(Date.now() - since_ms) / 1_000);
}

/** Waits by socket, which goes silent once where that is planned. */
async function hears(fan, until) {
  fan.hangsUp();
  fan.connects();
  const told = watches(fan.person, until, OVER);
  if (!fan.silence) return told;
  const { after_s, for_s } = fan.silence;
  const goesSilent = setTimeout(() => {
    fan.silence = null;
    fan.disconnects();
    fan.person.watch.drop(for_s * 1_000);
    isBack = setTimeout(() => fan.connects(), for_s * 1_000);
  }, Math.max(0, fan.joined_ms + after_s * 1_000 - Date.now()));
  let isBack = null;
  const news = await told;
  clearTimeout(goesSilent);
  if (isBack !== null) clearTimeout(isBack);
  return news;
}

/** Chooses, holds, orders, pays; says false when the turn lapsed before anything was held. */
async function shops(fan) {
  const { plan, person, story } = fan;
  await fan.thinks(plan.choosing_s);
  if (plan.aim === 'leaves_choosing') {
    await leaves(person);
    throw new Ended('left');
  }
  const hold = await holds(fan);
  if (!hold) return false;
  story.holds += 1;
  await fan.thinks(plan.form_s);
  if (plan.aim === 'gives_back') await fan.asks('DELETE', `/holds/${hold.id}`, 'release', { token: person.pass });
  if (plan.aim === 'gives_back' || plan.aim === 'lets_expire') throw new Ended('left');
  const order = await orders(person, hold);
  story.orders += 1;
  await fan.thinks(plan.paying_s);
  if (plan.aim === 'leaves_paying') throw new Ended('left');
  await paysByCard(fan, order);
  story.units = await hasTickets(person, order, { quantity: hold.items.length, tickets_within_s: TICKETS_WITHIN_S });
  return true;
}

/** Asks for what it wants, then for less of it, then for something else; nothing when the turn is over. */
async function holds(fan) {
  const tiers = [...fan.plan.tiers];
  let { quantity } = fan.plan;
  let tier = tiers.shift();
  let together = tier.seated && quantity > 1;
  let key = newKey();
  for (const until = Date.now() + INSISTS_MS; ;) {
    const item = { tier: tier.id, quantity, ...(together ? { together } : {}) };
    const answer = await fan.asks('POST', '/holds', 'hold', { token: fan.person.pass, key, body: { items: [item] } });
    if (answer.ok) return answer.body;
    const { code } = answer;
    const isStanding = code === 'all_held' || code === 'sale_paused';
    if (answer.again && !isStanding && Date.now() < until) {
      await rest(answer.again_after_ms);
      continue;
    }
    key = newKey();
    if (isStanding) await fan.thinks(answer.again_after_ms / 1_000);
    else if (TURN_IS_OVER.includes(code)) return null;
    else if (code === 'none_together') together = false;
    else if (LESS_IS_LEFT.includes(code) && quantity > 1) quantity -= 1;
    else if (TIER_IS_GONE.includes(code) && tiers.length > 0) {
      tier = tiers.shift();
      together = tier.seated && quantity > 1;
    } else throw refusal('holding', answer);
  }
}

async function paysByCard(fan, order) {
  const { plan, person } = fan;
  const payment = await presses(fan, order);
  if (!payment || payment.status !== 'requires_action') return;
  await fan.thinks(plan.bank_s);
  const isInVain = plan.bank === 'asks_in_vain';
  await answersTheBank(order, payment, isInVain ? 'fail' : 'pass');
  if (isInVain) throw new Ended('declined', `${person.address} does not know what the bank asks`);
}

/** Presses Pay, with another card where there is one; gives the payment. */
async function presses(fan, order) {
  const { plan, person } = fan;
  try {
    return await pays(person, order, CARDS[plan.bank]);
  } catch (failure) {
    if (failure.ending !== 'declined' || plan.bank !== 'no_then_yes') throw failure;
    await fan.thinks(OTHER_CARD_S);
    return pays(person, order, CARDS.yes);
  }
}
