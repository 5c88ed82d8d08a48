/** What is made of the figures that benches print. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { columns, figuresOf, isBroken, markdown, rowsOf, spreadOf, tableOf, withFigures } from '../figures.mjs';

/** What benches print; the crate that prints it has a test that these are its lines. */
const PRINTED = readFileSync(new URL('figures.txt', import.meta.url), 'utf8');

/** A run with one figure. */
const run = (value, rest = {}) => [{ name: 'holds', unit: '/s', value, reference: null, target: null, ...rest }];
const beside = (value, ratio) => ({ reference: { what: 'bare answers', value, ratio } });
const cells = (...runs) => tableOf(rowsOf(runs))[1];

test('figures are found between the rows for people', () => {
  const figures = figuresOf(PRINTED);
  assert.deepEqual(figures.map(({ name }) => name), ['holds', 'p99 of a hold', 'growth', 'rows']);
  assert.deepEqual(figures[0].reference, { what: 'bare answers', value: 84_000, ratio: 0.28 });
  assert.deepEqual(figures[1].target, { of: 'value', at_most: 10, must: false });
});

test('a bench without a figure, without a value or with a figure twice is refused', () => {
  assert.throws(() => figuresOf('  rows  120 /s\n'), /no figure/);
  assert.throws(() => figuresOf('figure {"name":"rows","value":null,"reference":null}'), /rows has no value/);
  assert.throws(() => figuresOf('figure {"name":"rows","value":1,"reference":{"value":2,"ratio":null}}'), /rows has no value/);
  assert.throws(() => figuresOf(PRINTED + PRINTED), /holds twice/);
  assert.throws(() => figuresOf('figure {"name":'), SyntaxError);
});

test('the median is the middle one, or between the two', () => {
  assert.deepEqual(spreadOf([30, 9, 200]), { median: 30, least: 9, most: 200 });
  assert.deepEqual(spreadOf([4, 1, 3, 2]), { median: 2.5, least: 1, most: 4 });
  assert.deepEqual(spreadOf([7]), { median: 7, least: 7, most: 7 });
});

test('runs that print different figures are not put together', () => {
  assert.throws(() => rowsOf([run(1), [...run(1), ...run(2, { name: 'more' })]]), /different figures/);
});

test('a cell has the median, the least and the most, in three digits', () => {
  const runs = [run(23_382, beside(84_000, 0.28)), run(21_373, beside(80_100, 0.261)), run(23_299, beside(90_000, 0.27))];
  assert.deepEqual(cells(...runs), ['holds', '23,300/s (21,400–23,400)', 'bare answers: 84,000/s (80,100–90,000)', '0.27 x (0.26–0.28)', '', '']);
  assert.deepEqual(cells(run(8.912, { unit: 'ms' })), ['holds', '8.91 ms', '', '', '', '']);
  assert.equal(cells(run(0, { unit: '' }))[1], '0');
});

test('the ratio is the one that each run found, not that of the medians', () => {
  assert.equal(cells(run(10, beside(20, 0.6)), run(40, beside(50, 0.7)), run(90, beside(100, 0.75)))[3], '0.7 x (0.6–0.75)');
});

test('a target is judged by the median, and what is missed is said', () => {
  const target = { of: 'ratio', at_least: 0.5, must: false };
  const of = (...ratios) => cells(...ratios.map((ratio) => run(1, { ...beside(2, ratio), target }))).slice(4);
  assert.deepEqual(of(0.5, 0.6, 0.7), ['at least 0.5 x', 'met']);
  assert.deepEqual(of(0.1, 0.2, 0.49), ['at least 0.5 x', 'missed']);
  assert.deepEqual(of(0.1, 0.6, 0.7), ['at least 0.5 x', 'met (met in 2 of 3)']);
  assert.deepEqual(of(0.1, 0.2, 0.7), ['at least 0.5 x', 'missed (met in 1 of 3)']);
});

test('a value has its own target, with its unit, whatever the ratio is', () => {
  const target = { of: 'value', at_most: 20_000, must: false };
  assert.deepEqual(cells(run(20_000, { ...beside(1, 99_999), target })).slice(4), ['at most 20,000/s', 'met']);
  assert.deepEqual(cells(run(20_001, { ...beside(1, 1), target })).slice(4), ['at most 20,000/s', 'missed']);
  assert.equal(cells(run(1, { unit: 'ms', target: { of: 'value', at_most: 20, must: false } }))[4], 'at most 20 ms');
});

test('only a bound that holds on any machine is broken', () => {
  const row = (value, must) => rowsOf([run(value, { target: { of: 'value', at_most: 1, must } })])[0];
  assert.deepEqual([row(2, true), row(1, true), row(2, false), rowsOf([run(9)])[0]].map(isBroken), [true, false, false, false]);
  assert.equal(tableOf([row(2, true)])[1][5], 'BROKEN');
});

test('the table is for a page and for a terminal', () => {
  const table = tableOf(rowsOf([figuresOf(PRINTED)]));
  const page = markdown(table).split('\n');
  assert.equal(page.length, 6);
  assert.equal(page[1], '| --- | --- | --- | --- | --- | --- |');
  assert.equal(page[4], '| growth | 96 us | new books: 64 us | 1.5 x | at most 1.5 x | met |');
  const lines = columns(table).split('\n');
  assert.equal(lines[1].indexOf('23,400/s'), lines[0].indexOf('ours'));
  assert.equal(lines[4].indexOf('120/s'), lines[0].indexOf('ours'));
});

test('only what is between the marks of the page is written anew', () => {
  const page = readFileSync(new URL('../../../docs/performance.md', import.meta.url), 'utf8');
  const once = withFigures(page, 'the first table');
  assert.match(once, /\n\nthe first table\n\n/);
  const twice = withFigures(once, 'another');
  assert.ok(!twice.includes('the first table'));
  assert.equal(withFigures(twice, 'the first table'), once);
  const [before] = page.split('<!-- figures');
  assert.ok(once.startsWith(before) && once.endsWith(page.split('<!-- end of the figures -->')[1]));
  assert.throws(() => withFigures('# Performance\n', 'a table'), /once each/);
  assert.throws(() => withFigures(once + once, 'a table'), /once each/);
});
