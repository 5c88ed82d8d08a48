/**
 * The summary: as text for who watches, as JSON for programs, as HTML to keep. Each file ends with a mark, so that whoever reads it
 * knows that it is whole. k6 exits with 0 also when this fails, so the runner looks for all three.
 *
 * k6 has two shapes of what it hands over, and either is read: the one that it has by itself, and that of
 * `--new-machine-readable-summary`, which does not say whether thresholds were kept; only the exit code does then.
 */

import { ONSALE_URL, RESULTS, SLO } from './config.js';
import { NO_BOUND } from './options.js';

const written = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 3 : 1));

/** The function that k6 calls at the end of a scenario. */
export function summaryOf(scenario) {
  return (data) => {
    const summary = {
      scenario, url: ONSALE_URL, ended_at: new Date().toISOString(), slo: SLO, ...resultsOf(data), complete: true,
    };
    const text = textOf(summary);
    return {
      stdout: text,
      [`${RESULTS}/summary.txt`]: text,
      [`${RESULTS}/summary.json`]: `${JSON.stringify(summary, null, 2)}\n`,
      [`${RESULTS}/summary.html`]: htmlOf(summary),
    };
  };
}

/** Metrics by name with their values, thresholds with whether they were kept, and how it went: `passed`, `failed` or `ended`. */
function resultsOf(data) {
  if (!data.metrics) return { outcome: 'ended', metrics: metricsOf(data.results.metrics), thresholds: [] };
  const metrics = {};
  const thresholds = [];
  for (const [name, { values, thresholds: kept = {} }] of Object.entries(data.metrics)) {
    metrics[name] = values;
    for (const [expression, { ok }] of Object.entries(kept)) thresholds.push({ metric: name, expression, ok });
  }
  return { outcome: thresholds.every(({ ok }) => ok) ? 'passed' : 'failed', metrics, thresholds };
}

/** The other shape has a list, of values of k6 and not of JavaScript, and writes `p99` for `p(99)`. */
function metricsOf(foreign) {
  const list = JSON.parse(JSON.stringify(foreign));
  const older = ([statistic, value]) => [statistic.replace(/^p(\d+(?:\.\d+)?)$/, 'p($1)'), value];
  return Object.fromEntries(list.map(({ name, values }) => [name, Object.fromEntries(Object.entries(values).map(older))]));
}

/** The same order in every line; what is not in it comes behind. */
const ORDER = ['count', 'rate', 'of', 'value', 'avg', 'min', 'med', 'p(95)', 'p(99)', 'max'];
const rank = (statistic) => (ORDER.includes(statistic) ? ORDER.indexOf(statistic) : ORDER.length);

/** A share says of how many; k6 says how many there were of either kind, and calls what is counted a pass also where it is an error. */
function plain({ passes, fails, ...values }) {
  return passes === undefined ? values : { ...values, of: passes + fails };
}

function words(values) {
  const numbers = Object.entries(plain(values)).filter(([, value]) => typeof value === 'number');
  const sorted = numbers.sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b));
  return sorted.map(([statistic, value]) => `${statistic}=${written(value)}`).join(' ');
}

/** What was measured where a threshold is put, like the `p(99)` of `p(99)<250`. */
function measured(metrics, { metric, expression }) {
  const value = metrics[metric]?.[expression.split(/[<>=]/)[0]];
  return value === undefined ? '' : written(value);
}

function textOf({ scenario, outcome, metrics, thresholds }) {
  const width = Math.max(...Object.keys(metrics).map((name) => name.length));
  const lines = [`${scenario}: ${outcome}`, ''];
  for (const [name, values] of Object.entries(metrics).sort()) lines.push(`  ${name.padEnd(width)}  ${words(values)}`);
  lines.push('');
  for (const threshold of thresholds) {
    if (!threshold.ok) lines.push(`  BROKEN ${threshold.metric}: ${threshold.expression}, and it was ${measured(metrics, threshold)}`);
  }
  return `${lines.join('\n')}\nend of summary\n`;
}

const escaped = (text) => String(text).replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
const row = (cells, tag = 'td') => `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
const table = (head, rows) => `<table><thead>${row(head, 'th')}</thead><tbody>${rows.map((cells) => row(cells)).join('\n')}</tbody></table>`;

/** Rows of those metrics that are one of these, by its tag. */
function tagged(metrics, pattern, cells) {
  const found = Object.entries(metrics).map(([name, values]) => [pattern.exec(name)?.[1], values]);
  return found.filter(([tag, values]) => tag && values.count > 0).sort().map(([tag, values]) => [tag, ...cells(values)]);
}

function htmlOf({ scenario, url, ended_at, outcome, metrics, thresholds }) {
  const times = ['med', 'p(95)', 'p(99)', 'max'];
  const fans = tagged(metrics, /^fans\{ending:(\w+)\}$/, ({ count }) => [count]);
  const requests = tagged(metrics, /^http_req_duration\{name:(\w+)\}$/, (values) =>
    [values.count, ...times.map((statistic) => Math.round(values[statistic]))]);
  const bounds = thresholds.filter(({ expression }) => expression !== NO_BOUND)
    .sort((a, b) => Number(a.ok) - Number(b.ok) || a.metric.localeCompare(b.metric))
    .map((threshold) => [threshold.ok ? 'kept' : 'BROKEN', threshold.metric, threshold.expression, measured(metrics, threshold)]);
  const all = Object.entries(metrics).sort().map(([name, values]) => [name, words(values)]);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(scenario)}: ${outcome}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}
table{border-collapse:collapse;margin:1rem 0}th,td{border:1px solid #bbb;padding:.25rem .5rem;text-align:left}</style></head>
<body><h1>${escaped(scenario)}: ${outcome}</h1><p>${escaped(url)}, ${escaped(ended_at)}</p>
<h2>How fans ended</h2>${table(['ending', 'fans'], fans)}
<h2>What they asked for, in milliseconds</h2>${table(['request', 'answers', ...times], requests)}
<h2>Bounds</h2>${table(['', 'metric', 'bound', 'measured'], bounds)}
<h2>Everything that was counted</h2>${table(['metric', 'values'], all)}</body></html>
`;
}
