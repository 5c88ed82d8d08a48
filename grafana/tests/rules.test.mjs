/** The rules: what promtool says of them, that each alert says what to do, and that the objectives are those of the load tests. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DASHBOARDS } from '../source/dashboards.mjs';
import { RUNBOOK } from '../source/dashboard.mjs';
import { ROUTES, SLO } from '../source/slo.mjs';
import { filesIn, promtool, read, runbook } from './project.mjs';
import { ALERTS, ALL, RECORDED, RULE_FILES } from './rule_file.mjs';

const TEST_FILES = filesIn('prometheus/tests', '.yml');

/** What `promtool test rules` expects: of which alert, and the series that must be there, or none. */
const EXPECTED = TEST_FILES.flatMap((file) =>
  [...read(`prometheus/tests/${file}`).matchAll(/expr: ALERTS\{alertname="(\w+)".*\n.*\n {8}exp_samples:(?: \[\]|\n {10}- labels: '(.*)')/g)].map(
    ([, alert, series]) => ({ alert, series }),
  ),
);

test('promtool finds nothing to say of the rules', () => {
  const { well, said } = promtool('prometheus/rules', ['check', 'rules', '--lint=all', '--lint-fatal', ...RULE_FILES]);
  assert.ok(well, said);
  const found = [...said.matchAll(/(\d+) rules found/g)].reduce((sum, [, count]) => sum + Number(count), 0);
  assert.equal(ALL.length, found, 'a rule is written otherwise than the others');
});

test('promtool takes the configuration', () => {
  const { well, said } = promtool('prometheus', ['check', 'config', 'prometheus.yml']);
  assert.ok(well, said);
  assert.match(said, new RegExp(`${RULE_FILES.length} rule files found`));
});

test('every case of the alerts comes out as it should', () => {
  const { well, said } = promtool('prometheus/tests', ['test', 'rules', ...TEST_FILES]);
  assert.ok(well, said);
});

test('every alert has a case in which somebody is told, and one in which nobody is', () => {
  const told = EXPECTED.filter(({ series }) => series).map(({ alert }) => alert);
  const silent = EXPECTED.filter(({ series }) => !series).map(({ alert }) => alert);
  for (const { alert } of ALERTS) {
    assert.ok(told.includes(alert), `${alert} never fires`);
    assert.ok(silent.includes(alert), `${alert} is never silent`);
  }
  assert.deepEqual(new Set([...told, ...silent]), new Set(ALERTS.map(({ alert }) => alert)));
});

test('every alert says what it is, where to look and what to read', () => {
  const entries = runbook();
  const dashboards = DASHBOARDS.map(({ uid }) => uid);
  for (const { alert, severity, summary, description, runbook_url, dashboard_url } of ALERTS) {
    assert.match(alert, /^Onsale([A-Z][a-z0-9]+)+$/);
    assert.ok(['critical', 'warning'].includes(severity), alert);
    assert.ok(summary && description, alert);
    assert.equal(runbook_url, `${RUNBOOK}#${alert.toLowerCase()}`);
    const [, uid] = /^http:\/\/localhost:3000\/d\/([a-z-]+)(\?var-sale=\{\{ \$labels\.sale \}\})?$/.exec(dashboard_url) ?? [];
    assert.ok(dashboards.includes(uid), `${alert}: ${dashboard_url}`);
    const entry = entries.get(alert.toLowerCase());
    assert.equal(entry?.title, alert, 'an entry of its name in docs/runbook.md');
    assert.ok(entry.text.trimStart().startsWith(`*${severity}*. `), `${alert} is ${severity}`);
    for (const part of ['For buyers', 'Look', 'Do', 'Wake']) {
      assert.ok(entry.text.includes(`\n- **${part}**: `) || entry.text.includes(`\n- **${part}**:\n`), `${alert}: ${part}`);
    }
  }
  const titles = [...entries.values()].map(({ title }) => title).filter((title) => /^Onsale[A-Z]/.test(title));
  assert.deepEqual(titles.sort(), ALERTS.map(({ alert }) => alert).sort(), 'no entry is of an alert that is gone');
});

test('what an alert says of its labels, it has', () => {
  for (const { alert, summary, description, dashboard_url } of ALERTS) {
    const named = [...`${summary} ${description} ${dashboard_url}`.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label);
    for (const { series } of EXPECTED.filter((one) => one.alert === alert && one.series)) {
      for (const label of named) {
        assert.ok(series.includes(`${label}="`), `${alert} has no ${label} in ${series}`);
      }
    }
  }
});

test('what is recorded is read, and what is read is recorded', () => {
  const read = new Set(ALL.flatMap(({ expr }) => expr.match(/onsale:[\w:]+/g) ?? []));
  assert.deepEqual(read, new Set(RECORDED.map(({ record }) => record)));
});

test('the objectives are those of loadtest/slo.json', () => {
  const { short_window, long_window, factor } = SLO.availability_burn;
  const exprOf = (name) => ALERTS.find(({ alert }) => alert === name).expr;
  for (const window of [short_window, long_window]) {
    const burns = `onsale:errors:ratio_rate${window} > (${factor} * ${SLO.errors_ratio_max})`;
    assert.ok(exprOf('OnsaleErrorBudgetBurns').includes(burns), burns);
    // 99 of 100 answers are to be in time.
    const slow = `onsale:slow_answers:ratio_rate${window} > (${factor} * 0.01)`;
    assert.ok(exprOf('OnsaleSlow').includes(slow), slow);

    const bounds = RECORDED.filter(({ record }) => record === `onsale:slow_answers:ratio_rate${window}`).map(({ class: name, expr }) => {
      assert.ok(expr.includes(`[${window}]`), expr);
      assert.ok(name === 'default' || expr.split(ROUTES[name]).length === 3, `${name} is of ${ROUTES[name]}`);
      return [name, Number(/le=~?"([\d.]+)/.exec(expr)[1])];
    });
    assert.deepEqual(Object.fromEntries(bounds), SLO.route_p99_s);
    const whole = bounds.filter(([, bound]) => Number.isInteger(bound)).map(([, bound]) => `le=~"${bound}|${bound}.0"`);
    whole.forEach((le) => assert.ok(RECORDED.some(({ expr }) => expr.includes(le)), `${le}: Prometheus 3 calls it otherwise`));
  }
});

test('every objective of time is an edge of the buckets', () => {
  const [, edges] = /REQUEST_DURATION_BUCKETS_S: \[f64; \d+\] =\s+\[([^\]]+)\]/.exec(read('../gateway/src/metrics.rs'));
  const buckets = edges.split(',').map(Number);
  Object.values(SLO.route_p99_s).forEach((bound) => assert.ok(buckets.includes(bound), `${bound}`));
});
