/**
 * A fan: joins, waits, takes a hold, orders, pays, has tickets. One walk has one ending, from a short list:
 *
 * | ending | means |
 * |---|---|
 * | `paid` | has as many valid tickets as were held |
 * | `sold_out` | was told that nothing is left, or that the sale is over |
 * | `waiting` | ran out of patience in the queue |
 * | `left` | went away, as planned |
 * | `declined` | the card was declined |
 * | `expired` | was too slow: turn, hold or order ran out |
 * | `refused` | was refused by a problem with another code |
 * | `lost` | got no answer to go by: this is what must not be |
 *
 * What a fan does is a plan, so that scenarios differ in figures only.
 */

import exec from 'k6/execution';
import { Counter, Rate, Trend } from 'k6/metrics';

import {
  CARD, LEAVE_HOLDING, LEAVE_ORDERED, LEAVE_WAITING, PATIENCE_S, QUANTITY, SOCKET_SHARE, STRIPE_API_BASE, STRIPE_SECRET_KEY,
  THINK_S, TICKETS_WITHIN_S,
} from './config.js';
import { ask, insist, newKey, rest } from './http.js';
import { Watch } from './live.js';

export const ENDINGS = ['paid', 'sold_out', 'waiting', 'left', 'declined', 'expired', 'refused', 'lost'];

/** States in which nobody who waits gets in any more. */
const OVER = ['sold_out', 'closed', 'cancelled'];
const POLL_MS = [200, 5_000];
const LOOK_EVERY_MS = 500;
const STRIPE = 'https://api.stripe.com';
/** Refusals that say that nothing is left for this fan, and those that say it was too slow. */
const NONE_LEFT = ['sold_out', 'too_few_left', 'allocation_sold_out', 'sale_closed'];
const TOO_LATE = ['pass_expired', 'pass_invalid', 'hold_expired', 'hold_not_found', 'order_expired'];

const fans = new Counter('fans');
const clear = new Rate('clear_answers');
const waited = new Trend('waited_for_turn', true);
const bought = new Trend('bought_within', true);
const ttl = new Trend('hold_ttl_s');
const units = new Counter('units_paid');

/** The usual plan, from the knobs. */
export const PLAN = {
  tier: 'standing',
  quantity: QUANTITY,
  card: CARD,
  has_socket: SOCKET_SHARE,
  patience_s: PATIENCE_S,
  tickets_within_s: TICKETS_WITHIN_S,
  /** Seconds before holding, ordering, paying: least and most. A fan who polls must hold within 15 s, or counts as silent. */
  thinks_s: { hold: [THINK_S / 2, THINK_S], order: [THINK_S / 2, THINK_S], pay: [THINK_S / 2, THINK_S] },
  /** Of those who got that far, how many go away. */
  leaves: { waiting: LEAVE_WAITING, holding: LEAVE_HOLDING, ordered: LEAVE_ORDERED },
  /** Whether not to have got a turn in time is an answer: where a sale is larger than the run is long. */
  may_still_wait: false,
};

/** How one walk ends before its end. */
export class Ended extends Error {
  constructor(ending, why = '') {
    super(why || ending);
    this.ending = ending;
  }
}

let met = 0;

/** An address that no other fan of the run has. */
export function newAddress() {
  met += 1;
  const number = exec.vu.idInTest * 8_192 + met;
  return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
}

const happens = (share) => Math.random() < share;
const thinks = ([least, most]) => rest((least + Math.random() * (most - least)) * 1_000);

/** The whole walk of one fan; gives its ending. */
export const walk = (sale, plan = PLAN) => life(sale, (fan) => walks(fan, plan), plan.may_still_wait);

/** A fan who does this, and has paid unless it throws how it ended; counts the ending, and gives it. */
export async function life(sale, does, may_still_wait = false) {
  const fan = { sale, address: newAddress(), place: '', pass: '', watch: null };
  let ending = 'lost';
  try {
    await does(fan);
    ending = 'paid';
  } catch (failure) {
    if (!(failure instanceof Ended)) console.error(`a fan's script failed: ${failure.stack ?? failure}`);
    else if (failure.ending === 'lost' || failure.ending === 'refused') console.warn(`a fan was ${failure.ending}: ${failure.message}`);
    ending = failure instanceof Ended ? failure.ending : 'lost';
  } finally {
    if (fan.watch) fan.watch.close();
  }
  fans.add(1, { ending });
  clear.add(ending !== 'lost' && ending !== 'refused' && (ending !== 'waiting' || may_still_wait));
  return ending;
}

async function walks(fan, plan) {
  const until = Date.now() + plan.patience_s * 1_000;
  await joins(fan, until);
  if (happens(plan.leaves.waiting)) {
    await leaves(fan);
    throw new Ended('left');
  }
  const joined_at = Date.now();
  await waits(fan, plan, until);
  waited.add(Date.now() - joined_at);
  const turn_at = Date.now();
  await thinks(plan.thinks_s.hold);
  const hold = await holds(fan, plan, until);
  if (fan.watch) fan.watch.close();
  ttl.add(hold.ttl_s);
  await thinks(plan.thinks_s.order);
  if (happens(plan.leaves.holding)) {
    await ask('DELETE', `/v1/sales/${fan.sale}/holds/${hold.id}`, { name: 'release', address: fan.address, token: fan.pass });
    throw new Ended('left');
  }
  const order = await orders(fan, hold);
  if (happens(plan.leaves.ordered)) throw new Ended('left');
  await thinks(plan.thinks_s.pay);
  await pays(fan, order, plan.card);
  units.add(await hasTickets(fan, order, plan));
  bought.add(Date.now() - turn_at);
}

/** Joins the queue, or registers in the prequeue. */
export async function joins(fan, until) {
  const answer = await insist(until, 'POST', `/v1/sales/${fan.sale}/queue`, { name: 'join', address: fan.address });
  if (!answer.ok) throw refusal('joining', answer);
  fan.place = answer.body.place.token;
  fan.number = answer.body.place.number;
  return answer.body.position;
}

/** Leaves the queue. */
export const leaves = (fan) =>
  ask('DELETE', `/v1/sales/${fan.sale}/queue/place`, { name: 'leave', address: fan.address, token: fan.place });

/** Waits for the turn, by socket or by asking, as chance has it. */
async function waits(fan, plan, until) {
  const told = happens(plan.has_socket) ? await watches(fan, until) : await polls(fan, until);
  if (told.pass) {
    fan.pass = told.pass;
    return;
  }
  if (told.over) throw new Ended('sold_out');
  // Who is called just then may be told so by this answer, and is gone anyway.
  await leaves(fan);
  throw new Ended('waiting');
}

/** What a position says: a pass, the end, or nothing yet. */
function newsOf({ pass, state, sale_state }, over) {
  if (pass) return { pass };
  return over.includes(sale_state) || state === 'expired' || state === 'left' ? { over: sale_state } : null;
}

/** Waits by socket, which stays open; `over` are the states in which it goes home. */
export function watches(fan, until, over = OVER) {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve({}), until - Date.now());
    fan.watch = new Watch(fan, ({ type, data }) => {
      const news = type === 'position' ? newsOf(data, over)
        : type === 'admitted' ? { pass: data.pass }
        : type === 'sale' && over.includes(data.state) ? { over: data.state }
        : null;
      if (!news) return;
      clearTimeout(late);
      resolve(news);
    });
  });
}

/** Waits by asking. */
export async function polls(fan, until, over = OVER) {
  while (Date.now() < until) {
    const answer = await ask('GET', `/v1/sales/${fan.sale}/queue/place`, { name: 'place', address: fan.address, token: fan.place });
    if (!answer.ok && !answer.again) throw refusal('asking for the place', answer);
    const news = answer.ok ? newsOf(answer.body, over) : null;
    if (news) return news;
    const after = answer.ok ? answer.body.poll_after_ms : answer.again_after_ms;
    await rest(Math.min(Math.max(after, POLL_MS[0]), POLL_MS[1]));
  }
  return {};
}

/** Takes units; while all are held by others, asks again when the answer says. */
export async function holds(fan, plan, until) {
  const items = [{ tier: plan.tier, quantity: plan.quantity }];
  const what = { name: 'hold', address: fan.address, token: fan.pass, key: newKey(), body: { items } };
  const answer = await insist(until, 'POST', `/v1/sales/${fan.sale}/holds`, what);
  if (answer.ok) return answer.body;
  throw answer.code === 'all_held' ? new Ended('expired') : refusal('holding', answer);
}

/** Orders what is held. */
export async function orders(fan, hold) {
  const who = `fan-${crypto.randomUUID()}`;
  const body = { hold: hold.id, email: `${who}@example.org`, name: `Fan ${who.slice(4, 12)}` };
  const what = { name: 'order', address: fan.address, token: fan.pass, key: newKey(), body };
  const answer = await insist(Date.now() + hold.ttl_s * 1_000, 'POST', `/v1/sales/${fan.sale}/orders`, what);
  if (!answer.ok) throw refusal('ordering', answer);
  return answer.body;
}

const stripeOf = (order) => STRIPE_API_BASE || order.payment.browser_base || STRIPE;

/** Gets a confirmation token, as a browser does, and presses Pay; gives the payment, if there is one and it is known. */
export async function pays(fan, order, card) {
  // A free order is paid by being made.
  if (!order.payment) return null;
  const until = Date.parse(order.expires_at);
  const base = stripeOf(order);
  const form = { payment_method: card };
  const token = await insist(until, 'POST', `${base}/v1/test_helpers/confirmation_tokens`, { name: 'card', token: STRIPE_SECRET_KEY, form });
  if (!token.ok) throw refusal('making a confirmation token', token);
  const body = { confirmation_token: token.body.id };
  const what = { name: 'pay', address: fan.address, token: order.token, key: newKey(), body };
  const answer = await insist(until, 'POST', `/v1/sales/${fan.sale}/orders/${order.id}/pay`, what);
  if (answer.code === 'payment_declined') throw new Ended('declined');
  // No answer is no refusal: the order says how it stands.
  if (!answer.ok && answer.status !== 0) throw refusal('paying', answer);
  return answer.ok ? answer.body.payment : null;
}

/** Answers the bank's question, as the page of the fake's 3-D Secure does: `pass` or `fail`. Stripe's own has no such address. */
export async function answersTheBank(order, { payment_intent, client_secret }, outcome) {
  const form = { client_secret, outcome };
  const what = { name: 'bank', token: order.payment.publishable_key, form };
  const answer = await ask('POST', `${stripeOf(order)}/v1/payment_intents/${payment_intent}/authenticate`, what);
  // The order was given up meanwhile, and the payment with it.
  if (!answer.ok) throw new Ended('expired', `answering the bank: ${answer.status}`);
}

/** Waits for the tickets; gives how many. */
export async function hasTickets(fan, order, plan) {
  const until = Date.now() + plan.tickets_within_s * 1_000;
  let state = '';
  while (Date.now() < until) {
    const answer = await ask('GET', `/v1/sales/${fan.sale}/orders/${order.id}`, { name: 'show_order', address: fan.address, token: order.token });
    if (!answer.ok && !answer.again) throw refusal('looking at the order', answer);
    if (answer.ok) {
      state = answer.body.state;
      if (state === 'paid') return valid(answer.body.tickets, plan.quantity);
      if (answer.body.final) throw new Ended('expired', `the order is ${state}`);
    }
    await rest(LOOK_EVERY_MS);
  }
  throw new Ended('lost', `paid, and the order is ${state} after ${plan.tickets_within_s} s`);
}

function valid(tickets, wanted) {
  const good = new Set(tickets.filter((ticket) => ticket.state === 'valid').map((ticket) => ticket.unit)).size;
  if (good !== wanted) throw new Ended('lost', `paid for ${wanted}, and has ${good} valid tickets of different units`);
  return good;
}

/** What a refusal comes to. */
export function refusal(doing, { status, code, body }) {
  if (NONE_LEFT.includes(code)) return new Ended('sold_out');
  if (TOO_LATE.includes(code)) return new Ended('expired');
  const why = `${doing}: ${status} ${code} ${body?.detail ?? ''}`;
  return new Ended(status === 0 || status >= 500 ? 'lost' : 'refused', why);
}

/** So many fans at once, who come one by one within `within_ms`; gives how many ended how. */
export async function crowd(sale, size, within_ms, plan = PLAN) {
  const comes = async () => {
    await rest(Math.random() * within_ms);
    return walk(sale, plan);
  };
  return Promise.all(Array.from({ length: size }, comes));
}
