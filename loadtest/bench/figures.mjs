/** The figures of benches: read from what they print, put together over several runs, and shown as one table. No I/O here. */

/**
 * @typedef {{of: 'value' | 'ratio', at_most?: number, at_least?: number, must: boolean}} Target
 * @typedef {{name: string, value: number, unit: string, reference: {what: string, value: number, ratio: number} | null, target: Target | null}} Figure
 * @typedef {{median: number, least: number, most: number}} Spread
 * @typedef {{name: string, unit: string, ours: Spread, reference: (Spread & {what: string}) | null, ratio: Spread | null, target: Target | null, met: number, runs: number, isMet: boolean}} Row
 */

const MARK = 'figure ';
const BEGIN = '<!-- figures: what is between these lines is written by `make bench` -->';
const END = '<!-- end of the figures -->';
/** Rates from here on are thousands with a comma, in three digits. */
const LARGE = 100;

/**
 * The figures in what a bench printed.
 * @param {string} printed
 * @returns {Figure[]}
 */
export function figuresOf(printed) {
  const figures = printed
    .split('\n')
    .filter((line) => line.startsWith(MARK))
    .map((line) => JSON.parse(line.slice(MARK.length)));
  const names = new Set();
  for (const { name, value, reference } of figures) {
    if (names.has(name)) throw new Error(`it prints ${name} twice`);
    names.add(name);
    const numbers = [value, ...(reference ? [reference.value, reference.ratio] : [])];
    if (!numbers.every(Number.isFinite)) throw new Error(`${name} has no value`);
  }
  if (figures.length === 0) throw new Error('it prints no figure');
  return figures;
}

/**
 * What the runs of one bench came to, a row for each figure, in their order.
 * @param {Figure[][]} runs
 * @returns {Row[]}
 */
export function rowsOf(runs) {
  const names = runs.map((figures) => figures.map(({ name }) => name).join('\n'));
  if (new Set(names).size !== 1) throw new Error(`its runs print different figures:\n${[...new Set(names)].join('\n\n')}`);
  return runs[0].map((first, at) => rowOf(first, runs.map((figures) => figures[at])));
}

function rowOf({ name, unit, reference, target }, figures) {
  const ratios = figures.map((figure) => figure.reference?.ratio);
  const judged = target?.of === 'ratio' ? ratios : figures.map(({ value }) => value);
  return {
    name,
    unit,
    ours: spreadOf(figures.map(({ value }) => value)),
    reference: reference && { what: reference.what, ...spreadOf(figures.map((figure) => figure.reference.value)) },
    ratio: reference && spreadOf(ratios),
    target,
    met: judged.filter((value) => isWithin(value, target)).length,
    runs: figures.length,
    isMet: isWithin(spreadOf(judged).median, target),
  };
}

const isWithin = (value, target) => !target || (value <= (target.at_most ?? Infinity) && value >= (target.at_least ?? -Infinity));

/** @param {number[]} values @returns {Spread} */
export function spreadOf(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
  return { median, least: sorted[0], most: sorted.at(-1) };
}

/** Whether something is wrong, whatever the machine. @param {Row} row */
export const isBroken = ({ target, isMet }) => Boolean(target?.must) && !isMet;

/**
 * The table, each row a list of cells; the first one has the headings.
 * @param {Row[]} rows
 */
export function tableOf(rows) {
  return [['figure', 'ours', 'reference', 'ratio', 'target', 'met'], ...rows.map(cellsOf)];
}

function cellsOf(row) {
  const { name, unit, ours, reference, ratio, target } = row;
  const bound = target && `${target.at_most === undefined ? 'at least' : 'at most'} ${grouped(target.at_most ?? target.at_least)}`;
  return [
    name,
    shown(ours, unit),
    reference ? `${reference.what}: ${shown(reference, unit)}` : '',
    ratio ? shown(ratio, 'x') : '',
    target ? withUnit(bound, target.of === 'ratio' ? 'x' : unit) : '',
    target ? verdictOf(row) : '',
  ];
}

/** By the median; and in how many runs, where not all were alike. */
function verdictOf(row) {
  const { isMet, met, runs } = row;
  const verdict = isBroken(row) ? 'BROKEN' : isMet ? 'met' : 'missed';
  return met === 0 || met === runs ? verdict : `${verdict} (met in ${met} of ${runs})`;
}

function shown({ median, least, most }, unit) {
  const spread = least === most ? '' : ` (${digits(least)}–${digits(most)})`;
  return `${withUnit(digits(median), unit)}${spread}`;
}

const withUnit = (number, unit) => (unit.startsWith('/') ? number + unit : `${number} ${unit}`.trim());
const digits = (value) => grouped(Math.abs(value) >= LARGE ? Number(value.toPrecision(3)) : Number(value.toFixed(2)));
const grouped = (value) => value.toLocaleString('en-US', { maximumFractionDigits: 3 });

/** For a page. @param {string[][]} cells */
export function markdown([headings, ...rows]) {
  return [headings, headings.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

/** For a terminal: the same, in columns. @param {string[][]} cells */
export function columns(cells) {
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  return cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd()).join('\n');
}

/**
 * The page with other figures between its marks.
 * @param {string} page
 * @param {string} figures
 */
export function withFigures(page, figures) {
  const [before, rest, again] = page.split(`${BEGIN}\n`);
  const [, after] = rest?.split(END) ?? [];
  if (after === undefined || again !== undefined) throw new Error(`the page does not have these two lines, once each:\n${BEGIN}\n${END}`);
  return `${before}${BEGIN}\n\n${figures.trim()}\n\n${END}${after}`;
}
