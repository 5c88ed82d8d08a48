/** What is chosen, what of it is worth waiting for, and how it is chosen again, without a browser. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';

import { clear, lay } from './paper.mjs';

const web = new URL('../../../gateway/web/', import.meta.url);
const load = (/** @type {string} */ name) => import(new URL(`assets/${name}`, web).href);

const { Choosing } = await load('choosing.js');
const { hideOffers, showOffers } = await load('offers.js');

const money = (/** @type {number} */ amount) => ({ amount, currency: 'eur' });
const price = { total: money(1_000), base: money(1_000), fees: money(0), taxes: money(0) };
const tier = (/** @type {string} */ id, /** @type {string} */ level, remaining = 0, seated = false) =>
  ({ id, name: id.toUpperCase(), price, seated, availability: { level, remaining } });

/** @type {any} */
let page;

/** The form of a sale of these tiers, in which so many of each are chosen. @param {any[]} tiers @param {number[]} quantities */
function formOf(tiers, ...quantities) {
  const form = new Choosing({ id: 'sale_1', tiers }, () => {});
  const selects = page.getElementById('choices').children.map((/** @type {any} */ entry) => entry.children[1].children.at(-1));
  quantities.forEach((quantity, index) => { selects[index].value = String(quantity); });
  return form;
}

beforeEach(() => {
  page = lay();
});

afterEach(clear);

for (const [what, tiers, quantities, wishes] of /** @type {[string, any[], number[], any][]} */ ([
  ['all of a tier in baskets', [tier('a', 'all_held')], [4], [[{ tier: 'a', quantity: 4 }]]],
  ['as many as are chosen, though one is free', [tier('a', 'few', 1)], [4], [[{ tier: 'a', quantity: 4 }]]],
  ['not what there is plenty of', [tier('a', 'many', 90), tier('b', 'all_held')], [2, 1], [[{ tier: 'b', quantity: 1 }]]],
  ['what is in baskets, where what was chosen is gone', [tier('a', 'none'), tier('b', 'all_held')], [1, 0], [[{ tier: 'b', quantity: 1 }]]],
  ['not what is gone beside what may come back', [tier('a', 'none'), tier('b', 'all_held')], [1, 2], [[{ tier: 'b', quantity: 2 }]]],
  ['what is chosen, where all of it is gone as far as is known', [tier('a', 'none'), tier('b', 'many', 90)], [2, 0], [[{ tier: 'a', quantity: 2 }]]],
  ['nothing, where nothing is chosen or in baskets', [tier('a', 'none'), tier('b', 'many', 90)], [0, 0], []],
  ['any tier in baskets, where nothing is chosen', [tier('a', 'all_held'), tier('b', 'all_held')], [0, 0],
    [[{ tier: 'a', quantity: 1 }], [{ tier: 'b', quantity: 1 }]]],
])) {
  test(`worth waiting for: ${what}`, () => assert.deepEqual(formOf(tiers, ...quantities).wishes, wishes));
}

test('whether a tier is gone for good the server says, which knows of other parts of the sale', () => {
  assert.equal(formOf([tier('a', 'none'), tier('b', 'many', 90)], 1, 0).fault, '');
  assert.match(formOf([tier('a', 'none'), tier('b', 'many', 90)], 0, 0).fault, /at least one/);
});

test('of lost tickets as many are chosen again, and that is the same only where they are all alike', async () => {
  const form = formOf([tier('a', 'many', 90), tier('b', 'many', 90, true)], 0, 0);
  const standing = { tier: 'a', seat: null };
  assert.equal(await form.restore({ items: [standing, standing], by_name: false }), true);
  assert.deepEqual(form.items(), [{ tier: 'a', quantity: 2 }]);
  assert.equal(await form.restore({ items: [standing, { tier: 'b', seat: 'A-1' }], by_name: false }), false);
  assert.deepEqual(form.items(), [{ tier: 'a', quantity: 1 }, { tier: 'b', quantity: 1 }]);
});

for (const [focus, id] of [[undefined, 'take'], ['by-name', 'by-name']]) {
  test(`who presses an offer goes on at #${id}, and is not left nowhere`, () => {
    let taken = 0;
    showOffers('Gone.', [{ words: 'Another', focus, take: () => { taken += 1; } }]);
    const [entry] = page.getElementById('offers-list').children;
    entry.children[0].focus();
    entry.children[0].click();
    assert.equal(taken, 1);
    assert.equal(page.activeElement, page.getElementById(/** @type {string} */ (id)));
    assert.equal(page.getElementById('offers').hidden, true);
    hideOffers();
  });
}

test('the map says that several seats may be chosen, and names the way back to the best', () => {
  const shell = readFileSync(new URL('sale.html', web), 'utf8');
  assert.match(shell, /<div id="map-canvas"[^>]*role="grid"[^>]*aria-multiselectable="true"/);
  assert.match(shell, /<input id="best" type="radio" name="way" value="best"/);
});
