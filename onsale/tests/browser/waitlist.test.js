/** What the page of the waitlist says. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

const wish = await import(new URL('../../../gateway/web/assets/wish.js', import.meta.url).href);
const odds = await import(new URL('../../../gateway/web/assets/odds.js', import.meta.url).href);
const { Journey } = await import(new URL('../../../gateway/web/assets/journey.js', import.meta.url).href);
const words = await import(new URL('../../../gateway/web/assets/waitlist_words.js', import.meta.url).href);

const entry = (/** @type {object} */ changes) => ({ state: 'waiting', quantity: 2, position: 1, gathers_until: null, offer: null, ...changes });
const TIERS = [{ id: 'stalls', name: 'Stalls' }];
const STATES = ['unconfirmed', 'waiting', 'offered', 'claimed', 'lapsed', 'declined', 'left', 'expired', 'over'];

test('every state has words of its own', () => {
  const headings = STATES.map((state) => words.wordsFor(entry({ state }), false)[0]);
  assert.equal(new Set(headings).size, STATES.length);
  assert.ok(headings.every((heading) => !STATES.includes(heading)));
});

test('only what came by mail is asked to confirm', () => {
  assert.match(words.wordsFor(entry({ state: 'unconfirmed' }), true)[0], /Is it you/);
  assert.match(words.wordsFor(entry({ state: 'unconfirmed' }), false)[0], /mailbox/);
});

test('how many are ahead', () => {
  assert.match(words.wordsFor(entry({ position: 1 }), false)[1], /^You are first in line\./);
  assert.match(words.wordsFor(entry({ position: 2 }), false)[1], /^One person is ahead/);
  assert.match(words.wordsFor(entry({ position: 13 }), false)[1], /^12 people are ahead/);
});

test('a position that may rise says why, and no other does', () => {
  assert.match(words.gatheringInWords(entry({ gathers_until: 'x' }), '20:30'), /Until 20:30 .* you only move up/);
  assert.equal(words.gatheringInWords(entry({}), ''), '');
  assert.equal(words.gatheringInWords(entry({ state: 'offered', gathers_until: 'x' }), '20:30'), '');
});

test('what is offered, and when it is fewer than was asked for', () => {
  const offer = { tier: 'stalls', quantity: 1, seats: ['A-1'] };
  assert.equal(words.offerInWords(offer, TIERS), '1 × Stalls (A-1)');
  assert.equal(words.offerInWords({ ...offer, tier: 'gone', seats: [] }, TIERS), '1 × gone');
  assert.match(words.partInWords(entry({ offer })), /You asked for 2/);
  assert.equal(words.partInWords(entry({ offer: { ...offer, quantity: 2 } })), '');
});

test('what leaving is called, and when nothing changes by itself any more', () => {
  assert.equal(words.leaveInWords(entry({ state: 'offered', is_proved: true })), 'I do not want them');
  assert.equal(words.leaveInWords(entry({ is_proved: true })), 'Leave the waitlist');
  assert.equal(words.leaveInWords(entry({ state: 'claimed', is_proved: true })), '');
  assert.deepEqual(STATES.filter((state) => words.leaveInWords(entry({ state, is_proved: false }))), ['unconfirmed'], 'who only typed the address');
  assert.deepEqual(STATES.filter((state) => words.mayJoinAgain(entry({ state }))), ['lapsed', 'declined', 'left', 'expired']);
  assert.deepEqual(STATES.filter((state) => !words.isSettled(entry({ state }))), ['unconfirmed', 'waiting', 'offered']);
});

test('the queue says how a place on the waitlist stands, and offers one where something is sold out', () => {
  const said = (/** @type {string} */ state) => words.tailInWords({ state }, true)[0];
  assert.equal(new Set(['unconfirmed', 'waiting', 'offered'].map(said)).size, 3);
  assert.match(words.tailInWords(undefined, true)[1], /^Every ticket .* by your number/);
  assert.match(words.tailInWords(undefined, false)[1], /^Some kinds/);
});

test('every odds have words of their own, but for a sale that says more', () => {
  const said = ['likely', 'uncertain', 'unlikely', 'waitlist'].map((word) => odds.oddsInWords({ odds: word, sale_state: 'open' }));
  assert.equal(new Set(said.filter(Boolean)).size, 4);
  assert.equal(odds.oddsInWords({ odds: 'waitlist', sale_state: 'sold_out' }), '');
  assert.equal(odds.oddsInWords({ odds: null, sale_state: 'open' }), '');
});

test('a person may wait for what is sold out, and for nothing that is in baskets', () => {
  const at = (/** @type {string} */ level) => ({ id: level, name: level, availability: { level } });
  const tiers = ['many', 'few', 'all_held', 'none'].map(at);
  assert.deepEqual(wish.soldOut([...tiers, { id: 'unknown', name: 'Unknown' }]).map((/** @type {any} */ { id }) => id), ['none']);
});

test('a journey knows of its own entry alone, until that is settled', () => {
  const journey = new Journey('sale_waitlist');
  journey.noteEntry({ id: 'wle_1', state: 'waiting' }, false);
  assert.equal(journey.steps.waitlist, undefined, 'an entry that was not made in the queue');
  journey.remember({ waitlist: { id: 'wle_1', state: 'unconfirmed' } });
  journey.noteEntry({ id: 'wle_2', state: 'left' }, true);
  journey.noteEntry({ id: 'wle_1', state: 'waiting' }, false);
  assert.deepEqual(journey.steps.waitlist, { id: 'wle_1', state: 'waiting' });
  journey.noteEntry({ id: 'wle_1', state: 'lapsed' }, true);
  assert.equal(journey.steps.waitlist, undefined);
});
