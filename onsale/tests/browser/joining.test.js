/** What joining sends, and what it does not. */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

const { Joining } = await import(new URL('../../../gateway/web/assets/joining.js', import.meta.url).href);

const WEEK_MS = 7 * 86_400_000;
const { fetch } = globalThis;

/** @type {Record<string, any>} The form, as far as it is used. */
let parts;
/** What was sent. @type {string[]} */
let sent = [];
/** What is answered to a join: an answer, or none. @type {(() => Response)[]} */
let joins = [];
let now = Date.parse('2030-05-01T10:00:00Z');

const place = () => Response.json({ place: { token: 'plc_1' } });
const lost = () => { throw new TypeError('the connection broke'); };
const proofRequired = () => Response.json({ code: 'proof_required' }, { status: 403 });

beforeEach(() => {
  now += WEEK_MS;
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now });
  parts = Object.fromEntries(['code-asked', 'code', 'more-time', 'proving', 'proving-progress', 'prove-not', 'prove-stop', 'join']
    .map((id) => [id, { hidden: true, checked: false, value: '', focus: () => {} }]));
  [sent, joins] = [[], [place]];
  Object.assign(globalThis, {
    document: { getElementById: (/** @type {string} */ id) => parts[id] ?? null },
    fetch: async (/** @type {string} */ path, /** @type {RequestInit} */ { method }) => {
      sent.push(`${method} ${path.split('/').at(-1)}`);
      return method === 'POST' ? /** @type {() => Response} */ (joins.shift())() : Response.json({ challenge: 'chl_1', bits: 8 });
    },
    Worker: class extends EventTarget {
      postMessage() {}

      terminate() {}
    },
  });
});

afterEach(() => {
  mock.timers.reset();
  for (const name of ['document', 'Worker']) Reflect.deleteProperty(globalThis, name);
  Object.assign(globalThis, { fetch });
});

const settle = () => new Promise((resolve) => setImmediate(resolve));
const joining = () => new Joining('sale_1', () => {});

test('the visitor is known before the first join, so that one whose answer is lost is the same visitor’s', async () => {
  joins = [lost, place];
  const joined = joining().join();
  await settle();
  mock.timers.tick(30_000);
  assert.deepEqual(await joined, { place: { token: 'plc_1' } });
  assert.deepEqual(sent, ['GET challenge', 'POST queue', 'POST queue']);
});

test('who is known already is not asked for again', async () => {
  const ahead = joining();
  ahead.prepare();
  ahead.prepare();
  await settle();
  assert.deepEqual(sent, ['GET challenge']);
  await ahead.join();
  joins = [place];
  await joining().join();
  assert.deepEqual(sent, ['GET challenge', 'POST queue', 'POST queue']);
});

/** Joins up to the proof, and ticks the box for more time by hand meanwhile. */
async function provesAndTicks() {
  joins = [proofRequired, place];
  const joined = joining().join();
  await settle();
  assert.equal(parts.proving.hidden, false);
  parts['more-time'].checked = true;
  return { joined };
}

test('who does not join after all has not joined, whatever was ticked meanwhile', async () => {
  const { joined } = await provesAndTicks();
  parts['prove-stop'].onclick();
  assert.equal(await joined, undefined);
  assert.deepEqual(sent, ['GET challenge', 'POST queue', 'GET challenge']);
});

test('who goes on with more time joins without a proof', async () => {
  const { joined } = await provesAndTicks();
  parts['prove-not'].onclick();
  assert.deepEqual(await joined, { place: { token: 'plc_1' } });
  assert.deepEqual(sent, ['GET challenge', 'POST queue', 'GET challenge', 'POST queue']);
});
