/** What k6's fans tell, the figures it comes to, and when a forecast is off. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { brokenOf, compared, figuresOf, peak, quantile, tableOf, toldBy } from '../forecast.mjs';

const story = { ending: 'paid', waits: [3], inside: [[3, 20]], sockets: [[0, 20]], holds: 1, orders: 1, units: 2 };
const STORIES = [
  story,
  { ...story, waits: [5, 7], inside: [[5, 6], [13, 30]], sockets: [[0, 4], [6, null]] },
  { ending: 'waiting', waits: [], inside: [], sockets: [[20, 40]], holds: 0, orders: 0, units: 0 },
];
const SOLD = [{ at_s: 0.2, units: 0 }, { at_s: 20.2, units: 2 }, { at_s: 30.4, units: 4 }];

/** What a rehearsal that saw the same would have written. */
function reportOf(seen) {
  return {
    counts: { outcome: { units_sold: seen.units_sold } },
    forecast: {
      share_sold_after: [0.5, 0.95, 0.99].map((share) => ({ share, after_s: seen.soldAfter(share) })),
      paid_units_at: [{ after_s: 15, units: seen.soldAt(15) }],
      sold_out_after_s: seen.soldAfter(1),
      fans_served_per_s: seen.fans_served_per_s,
    },
    measured: {
      ...seen, waiting: { p50_s: seen.wait(0.5), p90_s: seen.wait(0.9), p99_s: seen.wait(0.99) }, endings: { bought: 2, lost_patience: 1 },
    },
  };
}

const line = (text) => `time="2026-11-23T17:00:00Z" level=info msg=${JSON.stringify(text)} source=console`;

test('a line that tells something is taken, and no other', () => {
  assert.deepEqual(toldBy(line(`story ${JSON.stringify(story)}`)), { story });
  assert.deepEqual(toldBy(line('sold {"at_s":1.5,"units":3}')), { sold: { at_s: 1.5, units: 3 } });
  for (const other of ['', 'a fan was lost: story {}', line('set the clock ahead'), line('a story {"units":1}'), line('story of a fan')]) {
    assert.equal(toldBy(other), null, other);
  }
});

test('figures are those of the stories', () => {
  const seen = figuresOf(STORIES, SOLD, 4);
  assert.deepEqual([seen.units_sold, seen.turns, seen.holds, seen.orders, seen.paid_orders], [4, 3, 2, 2, 2]);
  assert.deepEqual([seen.soldAfter(0.5), seen.soldAfter(0.95), seen.soldAfter(1)], [20.2, 30.4, 30.4]);
  assert.deepEqual([seen.soldAt(0), seen.soldAt(25), seen.soldAt(99)], [0, 2, 4]);
  assert.deepEqual([seen.wait(0.5), seen.wait(0.9)], [5, 7]);
  assert.deepEqual([seen.sockets_peak, seen.shoppers_peak], [2, 2]);
  assert.equal(seen.fans_served_per_s, 2 / 30.4);
  assert.deepEqual([seen.ended('paid'), seen.ended('waiting'), seen.ended('left')], [2, 1, 0]);
  const unsold = figuresOf(STORIES, SOLD, 100);
  assert.deepEqual([unsold.soldAfter(0.5), unsold.units_sold], [null, 4]);
});

test('quantiles and peaks are those of a rehearsal', () => {
  assert.deepEqual([0.5, 0.9, 0.99, 0].map((share) => quantile([4, 1, 3, 2], share)), [2, 4, 4, 1]);
  assert.equal(quantile([], 0.5), 0);
  // One who goes as another comes is not there with them.
  assert.equal(peak([[0, 1], [1, 2], [1.5, null]]), 2);
  assert.equal(peak([]), 0);
});

test('a promised figure may be a tenth off, and no more', () => {
  const seen = figuresOf(STORIES, SOLD, 4);
  const report = reportOf(seen);
  assert.deepEqual(brokenOf(compared(report, seen)), []);
  const off = (factor, name) => brokenOf(compared(report, { ...seen, [name]: seen[name] * factor }));
  for (const name of ['units_sold', 'turns', 'holds', 'orders', 'paid_orders', 'sockets_peak']) {
    assert.deepEqual([off(1.09, name), off(0.91, name)], [[], []], name);
    assert.equal(off(1.11, name).length, 1, name);
    assert.equal(off(0.89, name).length, 1, name);
  }
  assert.deepEqual(off(2, 'shoppers_peak'), [], 'is shown, and not promised');
  const later = (factor) => compared(report, { ...seen, soldAfter: (share) => seen.soldAfter(share) * factor });
  assert.deepEqual(brokenOf(later(1.09)), []);
  assert.deepEqual(brokenOf(later(1.2)).map((broken) => broken.split(':')[0]), ['50 % paid for after, s', '95 % paid for after, s']);
});

test('a second is no difference, and what never came is one', () => {
  const seen = figuresOf(STORIES, SOLD, 4);
  const report = reportOf(seen);
  const waits = (more_s) => brokenOf(compared(report, { ...seen, wait: (share) => seen.wait(share) + more_s }));
  assert.deepEqual(waits(1), []);
  assert.equal(waits(1.1).length, 2);
  assert.equal(brokenOf(compared(report, { ...seen, soldAfter: () => null })).length, 2);
  const unsold = figuresOf(STORIES, SOLD, 100);
  assert.deepEqual(brokenOf(compared(reportOf(unsold), unsold)), []);
});

test('the table has every figure, and marks those that are off', () => {
  const seen = figuresOf(STORIES, SOLD, 4);
  const rows = compared(reportOf(seen), { ...seen, turns: 4 });
  const lines = tableOf(rows).split('\n');
  assert.equal(lines.length, rows.length + 1);
  assert.match(lines.find((text) => text.startsWith('turns')), /^turns +3 +4 +\+33\.3 % +OFF$/);
  assert.match(lines.find((text) => text.startsWith('holds')), /^holds +2 +2 +0\.0 % +kept$/);
});
