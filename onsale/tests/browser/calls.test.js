/** Calls of the page in a browser without the newest ones, and what the page says of a draw before it is held. */

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

const assets = new URL('../../../gateway/web/assets/', import.meta.url);
const load = (/** @type {string} */ name) => import(new URL(name, assets).href);

const { Problem, joinQueue } = await load('api.js');
const { howInWords } = await load('draw.js');

test('an answer that takes too long is a failure of the network, also where AbortSignal has no timeout', async (t) => {
  const { timeout } = AbortSignal;
  t.after(() => Object.assign(AbortSignal, { timeout }));
  Reflect.deleteProperty(AbortSignal, 'timeout');
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const never = (/** @type {string} */ _path, /** @type {{signal: AbortSignal}} */ { signal }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  Object.assign(globalThis, { fetch: never });
  const joined = joinQueue('jazz', {});
  mock.timers.tick(15_000);
  await assert.rejects(joined, (failure) => failure instanceof Problem && failure.code === 'network');
});

test('an answer in time leaves no timer behind', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  /** @type {AbortSignal | undefined} */
  let given;
  const fetch = async (/** @type {string} */ _path, /** @type {{signal: AbortSignal}} */ { signal }) => {
    given = signal;
    return Response.json({});
  };
  Object.assign(globalThis, { fetch });
  await joinQueue('jazz', {});
  mock.timers.tick(60_000);
  assert.equal(given?.aborted, false);
});

test('a draw without a beacon is called self-attested before it is held', () => {
  const early = { beacon: null, self_attested: null };
  assert.match(howInWords({ ...early, beacon_configured: false }), /^This draw is self-attested/);
  assert.match(howInWords({ ...early, beacon_configured: true }), /does not exist yet/);
  assert.match(howInWords({ beacon: {}, beacon_configured: true, self_attested: null }), /did not exist before/);
  assert.match(howInWords({ beacon: {}, beacon_configured: true, self_attested: 'out of reach' }), /^This draw is self-attested/);
});
