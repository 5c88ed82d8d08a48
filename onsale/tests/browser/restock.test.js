/** Waiting for tickets that others have in their baskets. */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

const { Restock, freeOf } = await import(new URL('../../../gateway/web/assets/restock.js', import.meta.url).href);

const tier = (/** @type {string} */ level, /** @type {number | null} */ remaining, id = 'stalls', name = 'Stalls') =>
  ({ id, name, availability: { level, remaining } });
const wish = (/** @type {number} */ quantity, id = 'stalls') => [[{ tier: id, quantity }]];
const HELD = tier('all_held', 0);

/** What the region says. */
let region = { textContent: '', toggleAttribute: () => {} };
/** @type {boolean[]} */
let waits = [];
/** @type {any} */
let restock;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  region = { textContent: '', toggleAttribute: () => {} };
  waits = [];
  Object.assign(globalThis, { document: { getElementById: () => region } });
  restock = new Restock((/** @type {boolean} */ isWaiting) => waits.push(isWaiting));
});

afterEach(() => {
  mock.timers.reset();
  Reflect.deleteProperty(globalThis, 'document');
});

test('how many are free', () => {
  assert.deepEqual(
    [tier('none', 0), HELD, tier('few', 3), tier('many', null)].map(freeOf),
    [0, 0, 3, Infinity],
  );
  assert.equal(freeOf(undefined), 0);
});

test('a person waits until something is free again, and is told what', () => {
  restock.waitFor(wish(1));
  assert.match(region.textContent, /Stay here/);
  mock.timers.tick(2_000);
  restock.refresh([HELD]);
  assert.match(region.textContent, /Stay here/);
  restock.refresh([tier('few', 2)]);
  assert.match(region.textContent, /^Free again: 2 × Stalls\./);
  assert.deepEqual(waits, [true, false]);
});

test('without anything to wait for nobody is kept from trying again', () => {
  restock.waitFor([]);
  assert.deepEqual([restock.isWaiting, waits, region.textContent], [false, [], '']);
  restock.waitFor(wish(1));
  restock.waitOnFor([]);
  assert.deepEqual([restock.isWaiting, waits, region.textContent], [false, [true, false], '']);
});

test('what is heard right after the refusal is older than the refusal, and believed only when it stays', () => {
  restock.waitFor(wish(1));
  restock.refresh([tier('few', 2)]);
  assert.match(region.textContent, /Stay here/);
  restock.refresh([HELD]);
  mock.timers.tick(1_500);
  assert.match(region.textContent, /Stay here/);
  assert.ok(restock.isWaiting);

  restock.waitFor(wish(1));
  restock.refresh([tier('few', 1)]);
  mock.timers.tick(1_500);
  assert.match(region.textContent, /^Free again: 1 × Stalls\./, 'nothing more needs to be heard for it');
});

test('another tier that is free is not what one waits for', () => {
  restock.waitFor(wish(1));
  mock.timers.tick(2_000);
  restock.refresh([HELD, tier('many', null, 'standing', 'Standing')]);
  assert.ok(restock.isWaiting);
});

test('choosing something else ends the wait, and nothing is told later', () => {
  restock.waitFor(wish(1));
  restock.stop();
  assert.equal(region.textContent, '');
  mock.timers.tick(2_000);
  restock.refresh([tier('many', null)]);
  assert.equal(region.textContent, '');
  assert.deepEqual(waits, [true, false]);
});

test('who wishes for four is told of one that is free, and may hold when all four are', () => {
  restock.waitFor(wish(4));
  assert.match(region.textContent, /^Not as many tickets as you chose/);
  restock.refresh([tier('few', 1)]);
  mock.timers.tick(1_500);
  assert.match(region.textContent, /^Free right now: 1 × Stalls\. You chose 4 × Stalls\. Choose fewer/);
  restock.refresh([HELD]);
  assert.match(region.textContent, /^Not as many tickets as you chose/);
  assert.deepEqual(waits, [true]);
  restock.refresh([tier('few', 4)]);
  assert.match(region.textContent, /^Free again: 4 × Stalls\./);
  assert.deepEqual(waits, [true, false]);
});

test('who wishes for two tiers waits for both, who would take either for the first', () => {
  const both = [tier('few', 1), tier('all_held', 0, 'standing', 'Standing')];
  restock.waitFor([[...wish(1)[0], ...wish(1, 'standing')[0]]]);
  mock.timers.tick(1_500);
  restock.refresh(both);
  assert.deepEqual(waits, [true]);
  restock.waitOnFor([...wish(1), ...wish(1, 'standing')]);
  restock.refresh(both);
  assert.match(region.textContent, /^Free again: 1 × Stalls\. /);
});

test('nobody waits for what is gone for good', () => {
  restock.waitFor(wish(2));
  mock.timers.tick(1_500);
  restock.refresh([tier('none', 0)]);
  assert.match(region.textContent, /^Sold out by now: Stalls\./);
  assert.deepEqual(waits, [true, false]);
});

test('of two tiers that are waited for, one may be gone; the other still comes back', () => {
  restock.waitFor([[...wish(1)[0], ...wish(1, 'standing')[0]]]);
  mock.timers.tick(1_500);
  restock.refresh([tier('none', 0), tier('all_held', 0, 'standing', 'Standing')]);
  assert.ok(restock.isWaiting);
  restock.refresh([tier('none', 0), tier('few', 1, 'standing', 'Standing')]);
  assert.match(region.textContent, /^Free again: 1 × Standing\. /);
});
