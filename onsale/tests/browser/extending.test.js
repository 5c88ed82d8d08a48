/** More time for a hold: one press is one extension, however often it is sent. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

const assets = new URL('../../../gateway/web/assets/', import.meta.url);
const load = (/** @type {string} */ name) => import(new URL(name, assets).href);

const { Problem } = await load('api.js');
const { extend } = await load('holding.js');
const { Journey } = await load('journey.js');

/** A server that extends once a key, and loses some of its first answers. */
class Server {
  lost = 0;
  /** @type {Map<string, string>} */
  ends = new Map();
  #end = Date.parse('2030-05-01T16:00:00Z');

  fetch = async (/** @type {string} */ path, /** @type {{headers: Headers}} */ { headers }) => {
    assert.equal(path, '/v1/sales/sale_1/holds/hold_1/extend');
    const key = headers.get('Idempotency-Key') ?? '';
    if (!this.ends.has(key)) {
      this.#end += 60_000;
      this.ends.set(key, new Date(this.#end).toISOString());
    }
    if (this.lost-- > 0) throw new TypeError('no answer');
    return Response.json({ id: 'hold_1', expires_at: this.ends.get(key), extensions_left: 1 });
  };
}

const start = { id: 'hold_1', receipt: 'r', expires_at: '2030-05-01T16:00:00.000Z', extensions_left: 2 };

/** @param {string} sale */
function shopper(sale) {
  const journey = new Journey(sale);
  journey.remember({ pass: { token: 'pass', expires_at: '' }, hold: start });
  return journey;
}

test('a press whose answers are lost extends once', async () => {
  const [server, journey] = [new Server(), shopper('sale_lost')];
  Object.assign(globalThis, { fetch: server.fetch });
  server.lost = 2;
  await extend('sale_1', journey, () => {});
  assert.equal(server.ends.size, 1);
  assert.deepEqual(journey.steps.hold, { ...start, expires_at: '2030-05-01T16:01:00.000Z', extensions_left: 1 });
});

test('the next press is another one', async () => {
  const [server, journey] = [new Server(), shopper('sale_next')];
  Object.assign(globalThis, { fetch: server.fetch });
  await extend('sale_1', journey, () => {});
  await extend('sale_1', journey, () => {});
  assert.equal(journey.steps.hold.expires_at, '2030-05-01T16:02:00.000Z');
});

test('two tabs that press at once press once', async () => {
  const [server, tab, other] = [new Server(), shopper('sale_a'), shopper('sale_b')];
  Object.assign(globalThis, { fetch: server.fetch });
  await Promise.all([extend('sale_1', tab, () => {}), extend('sale_1', other, () => {})]);
  assert.equal(tab.steps.hold.expires_at, other.steps.hold.expires_at);
  assert.equal(server.ends.size, 1);
});

test('a refusal goes up, and leaves what was known of the hold and of an order under way', async () => {
  const journey = shopper('sale_refused');
  journey.remember({ attempt: { to: 'order', key: 'k', body: {} } });
  const refusal = Response.json({ code: 'hold_not_extendable' }, { status: 409 });
  Object.assign(globalThis, { fetch: async () => refusal });
  await assert.rejects(extend('sale_1', journey, () => {}), (failure) => failure instanceof Problem && failure.code === 'hold_not_extendable');
  assert.deepEqual([journey.steps.hold, journey.steps.attempt?.key], [start, 'k']);
});
