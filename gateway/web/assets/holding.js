/**
 * From a turn to an order: taking units, keeping them longer, giving them back, ordering them; and finding out after a
 * reload how far that had come. What the journey remembers is asked for again before it is believed.
 *
 * Every function leaves the journey as the server sees it; refusals go up as problems.
 */

import { Problem, extendHold, giveBack, holdNamed, orderNamed, placeOrder, reclaimHold, takeHold } from './api.js';
import { attempt } from './attempt.js';
import { keepOrderToken } from './journey.js';
import { patiently } from './patience.js';

/** States in which an order no longer binds its units, unless a payment is still on its way. */
const OVER = new Set(['expired', 'cancelled']);
/** States in which a hold can still be ordered. */
const LIVE_HOLDS = new Set(['held', 'frozen']);
const GONE = new Set([401, 404]);
/** With 409 a receipt is refused whose hold is over, or whose units are somebody else's. */
const NOT_RECLAIMED = new Set([...GONE, 409]);

/** @typedef {import('./journey.js').Journey} Journey */
/** @typedef {(problem: Problem) => void} WaitingHeard */

/** What is gone, as null. @template T @param {Promise<T>} call @param {Set<number>} [gone] @returns {Promise<T | null>} */
async function unlessGone(call, gone = GONE) {
  try {
    return await call;
  } catch (failure) {
    if (failure instanceof Problem && gone.has(failure.status)) return null;
    throw failure;
  }
}

/**
 * Takes units with the pass. When an earlier press went through after all, its hold is what there is.
 * @param {string} sale @param {Journey} journey @param {import('./choosing.js').Item[]} items @param {WaitingHeard} waiting
 */
export async function take(sale, journey, items, waiting) {
  const { pass, attempt: earlier } = journey.steps;
  const send = (/** @type {any} */ body) => (/** @type {string} */ key) => takeHold(sale, pass?.token ?? '', key, body);
  const held = (/** @type {any} */ hold, /** @type {any[]} */ of) => journey.remember({ hold: { ...hold, by_name: of.some(({ seats }) => seats) } });
  try {
    held(await attempt(journey, 'hold', { items }, send({ items }), waiting), items);
  } catch (failure) {
    const wentThrough = failure instanceof Problem && failure.code === 'pass_in_use' && earlier?.to === 'hold';
    if (!wentThrough) throw failure;
    held(await send(earlier.body)(earlier.key), earlier.body.items);
  }
}

/**
 * Asks for more time. The press is named by the end that the hold had: however often it is sent, by whichever tab, it
 * extends once.
 * @param {string} sale @param {Journey} journey @param {WaitingHeard} waiting
 */
export async function extend(sale, journey, waiting) {
  const { pass, hold } = journey.steps;
  const longer = await patiently(() => extendHold(sale, hold.id, pass?.token ?? '', `from ${hold.expires_at}`), waiting);
  journey.remember({ hold: { ...hold, ...longer } });
}

/**
 * Orders what is held; what the server lost it gets back first.
 * @param {string} sale @param {Journey} journey @param {{name: string, email: string}} buyer @param {WaitingHeard} waiting
 * @returns {Promise<any>} the order
 */
export async function order(sale, journey, { name, email }, waiting) {
  const { pass, hold } = journey.steps;
  const body = { hold: hold.id, email, name };
  const send = () => attempt(journey, 'order', body, (key) => placeOrder(sale, pass?.token ?? '', key, body), waiting);
  const made = await send().catch(async (failure) => {
    const isLost = failure instanceof Problem && failure.code === 'hold_not_found';
    if (!isLost || !(await heldStill(sale, journey))) throw failure;
    return send();
  });
  keepOrderToken(made.id, made.token);
  journey.remember({ order: { id: made.id, token: made.token, hold: hold.id, payment: made.payment } });
  journey.forget('hold');
  return made;
}

/** Gives the units back, and the unpaid order with them. @param {string} sale @param {Journey} journey */
export async function release(sale, journey) {
  const { pass, hold, order: made } = journey.steps;
  const id = hold?.id ?? made?.hold;
  if (id && pass) await unlessGone(giveBack(sale, id, pass.token));
  journey.forget('hold', 'order', 'attempt');
}

/**
 * Sends a press again whose answer never came, to learn what became of it; it may be refused by now.
 * @param {string} sale @param {Journey} journey @param {WaitingHeard} waiting
 */
export async function resend(sale, journey, waiting) {
  const { pass, hold, attempt: pending } = journey.steps;
  if (!pass) return;
  if (pending?.to === 'hold' && !hold) await take(sale, journey, pending.body.items, waiting);
  if (pending?.to === 'order' && hold) await order(sale, journey, pending.body, waiting);
}

/**
 * The hold as the server sees it; null when there is none, or none any more.
 * @param {string} sale @param {Journey} journey
 */
export async function heldStill(sale, journey) {
  const { pass, hold: known } = journey.steps;
  if (!known || !pass) return null;
  const found = await unlessGone(holdNamed(sale, known.id, pass.token)) ?? await reclaimed(sale, known);
  if (!found || !LIVE_HOLDS.has(found.state ?? 'held')) {
    journey.forget('hold');
    return null;
  }
  journey.remember({ hold: { ...known, ...found } });
  return journey.steps.hold;
}

/**
 * A hold that the server does not know: it may have lost it, and then its receipt brings it back.
 * @param {string} sale @param {{id: string, receipt?: string}} known
 */
function reclaimed(sale, { id, receipt }) {
  return receipt ? unlessGone(reclaimHold(sale, id, receipt), NOT_RECLAIMED) : null;
}

/**
 * The order as the server sees it; null when there is none, or it came to nothing for good.
 * @param {string} sale @param {Journey} journey
 */
export async function orderedStill(sale, journey) {
  const { order: known } = journey.steps;
  if (!known) return null;
  const found = await unlessGone(orderNamed(sale, known.id, known.token));
  if (found && !(OVER.has(found.state) && found.final)) return found;
  journey.forget('order', 'hold', 'attempt');
  return null;
}
