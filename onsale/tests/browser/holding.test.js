/** What the page does about a hold that the server lost: it shows the receipt, by itself. */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

const { heldStill, order } = await import(new URL('../../../gateway/web/assets/holding.js', import.meta.url).href);

const { fetch } = globalThis;
const HOLD = { id: 'hold_1', receipt: 'rcp_old', expires_at: '2030-05-01T10:05:00Z', items: [{ tier: 'ga', unit: 7 }] };
const BACK = { ...HOLD, state: 'held', receipt: 'rcp_new' };

/** What the browser remembers, without a browser. */
class Remembered {
  /** @type {any} */
  steps = { pass: { token: 'pas_1' }, hold: HOLD };

  /** @param {any} steps */
  remember(steps) {
    this.steps = { ...this.steps, ...steps };
  }

  /** @param {...string} names */
  forget(...names) {
    for (const name of names) delete this.steps[name];
  }
}

/** What was sent: method, last part of the path, token. @type {string[]} */
let sent = [];
/** What is answered, by method and last part of the path, in turn. @type {Record<string, (() => Response)[]>} */
let answers = {};
/** @type {any} */
let journey;

const refused = (/** @type {number} */ status, /** @type {string} */ code) => () => Response.json({ code }, { status });
const answered = (/** @type {unknown} */ body) => () => Response.json(body);
const silent = () => {};

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  [sent, answers, journey] = [[], {}, new Remembered()];
  Object.assign(globalThis, {
    fetch: async (/** @type {string} */ path, /** @type {RequestInit} */ { method, headers }) => {
      const call = `${method} ${path.split('/').at(-1)}`;
      sent.push(`${call} ${/** @type {Headers} */ (headers).get('Authorization')?.slice('Bearer '.length)}`);
      return /** @type {() => Response} */ (answers[call]?.shift())();
    },
  });
});

afterEach(() => {
  mock.timers.reset();
  Object.assign(globalThis, { fetch });
});

test('a hold that the server does not know is shown its receipt, and comes back with a new one', async () => {
  answers = { 'GET hold_1': [refused(404, 'hold_not_found')], 'POST reclaim': [answered(BACK)] };
  const held = await heldStill('sale_1', journey);
  assert.deepEqual(held.items, HOLD.items);
  assert.equal(journey.steps.hold.receipt, 'rcp_new');
  assert.deepEqual(sent, ['GET hold_1 pas_1', 'POST reclaim rcp_old']);
});

test('a hold that is there is not asked for twice', async () => {
  answers = { 'GET hold_1': [answered(BACK)] };
  await heldStill('sale_1', journey);
  assert.deepEqual(sent, ['GET hold_1 pas_1']);
});

for (const [status, code] of /** @type {[number, string][]} */ ([[409, 'hold_expired'], [409, 'seat_taken'], [401, 'token_invalid']])) {
  test(`a receipt that is refused with ${code} is the end of the hold`, async () => {
    answers = { 'GET hold_1': [refused(404, 'hold_not_found')], 'POST reclaim': [refused(status, code)] };
    assert.equal(await heldStill('sale_1', journey), null);
    assert.equal(journey.steps.hold, undefined);
  });
}

test('while the store is away nothing is forgotten', async () => {
  answers = { 'GET hold_1': [refused(503, 'store_unavailable')] };
  await assert.rejects(heldStill('sale_1', journey));
  answers = { 'GET hold_1': [refused(404, 'hold_not_found')], 'POST reclaim': [refused(503, 'store_unavailable')] };
  await assert.rejects(heldStill('sale_1', journey));
  assert.deepEqual(journey.steps.hold, HOLD);
});

test('an order of a lost hold gets the hold back and is sent again', async () => {
  answers = {
    'POST orders': [refused(404, 'hold_not_found'), answered({ id: 'ord_1', token: 'ort_1', payment: null })],
    'GET hold_1': [refused(404, 'hold_not_found')],
    'POST reclaim': [answered(BACK)],
  };
  const made = await order('sale_1', journey, { name: 'Ada', email: 'ada@example.org' }, silent);
  assert.equal(made.id, 'ord_1');
  assert.deepEqual(sent, ['POST orders pas_1', 'GET hold_1 pas_1', 'POST reclaim rcp_old', 'POST orders pas_1']);
});

test('an order of a hold that is over says so', async () => {
  answers = {
    'POST orders': [refused(404, 'hold_not_found')],
    'GET hold_1': [refused(404, 'hold_not_found')],
    'POST reclaim': [refused(409, 'hold_expired')],
  };
  await assert.rejects(order('sale_1', journey, { name: 'Ada', email: 'ada@example.org' }, silent), { code: 'hold_not_found' });
  assert.equal(journey.steps.hold, undefined);
});
