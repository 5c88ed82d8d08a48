/** The dashboards: as their source has them, by the rules of the linter and the house, every query one that parses. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { DASHBOARDS, textOf } from '../source/dashboards.mjs';
import { RUNBOOK } from '../source/dashboard.mjs';
import { ROUTES, SLO } from '../source/slo.mjs';
import { RULES, breaksOf } from './linter.mjs';
import { filesIn, promtool, read, runbook } from './project.mjs';

const files = filesIn('dashboards', '.json');
const dashboards = files.map((name) => JSON.parse(read(`dashboards/${name}`)));
const copy = (value) => structuredClone(value);
const ofUid = (uid) => copy(dashboards.find((one) => one.uid === uid));
const firstPanel = (dashboard) => dashboard.panels.find(({ type }) => type !== 'row');

test('the files are what the source makes: node grafana/generate.mjs', () => {
  assert.deepEqual(files, DASHBOARDS.map(({ uid }) => `${uid}.json`).sort());
  for (const made of DASHBOARDS) {
    assert.equal(read(`dashboards/${made.uid}.json`), textOf(made), made.uid);
  }
});

test('every dashboard keeps every rule', () => {
  assert.equal(dashboards.length, 5);
  for (const dashboard of dashboards) {
    assert.deepEqual(breaksOf(dashboard), [], dashboard.title);
  }
});

/** What breaks each rule, and it alone must notice. */
const BREACHES = {
  'template-datasource-rule': (it) => (it.templating.list[0].name = 'source'),
  'template-job-rule': (it) => (it.templating.list[1].allValue = '.*'),
  'template-instance-rule': (it) => (it.templating.list[2].label = 'Host'),
  'template-label-promql-rule': (it) => (it.templating.list[1].query = 'onsale_build_info'),
  'template-on-time-change-reload-rule': (it) => (it.templating.list[1].refresh = 1),
  'panel-datasource-rule': (it) => (firstPanel(it).datasource.uid = 'prometheus'),
  'panel-title-description-rule': (it) => (firstPanel(it).description = ''),
  'panel-units-rule': (it) => (firstPanel(it).fieldConfig.defaults.unit = 'seats'),
  'panel-no-targets-rule': (it) => (firstPanel(it).targets = []),
  'target-logql-rule': (it) => (firstPanel(it).datasource.type = 'loki'),
  'target-rate-interval-rule': (it) => asks(it, 'sum(rate(onsale_jobs_total{job=~"$job",instance=~"$instance"}[5m]))'),
  'target-job-rule': (it) => asks(it, 'onsale_sockets{instance=~"$instance"} + on (job) up{job=~"$job",instance=~"$instance"}'),
  'target-instance-rule': (it) => asks(it, 'max by (instance) (onsale_sockets{job=~"$job"})'),
  'target-counter-agg-rule': (it) => asks(it, 'sum(onsale_jobs_total{job=~"$job",instance=~"$instance"})'),
  'uneditable-dashboard': (it) => (it.editable = true),
  'house-target-run-rule': (it) => asks(it, 'k6_vus'),
  'house-target-sale-rule': (it) => asks(it, 'max by (sale) (onsale_shoppers{job=~"$job",instance=~"$instance"})'),
  'house-panel-kind-rule': (it) => (firstPanel(it).type = 'piechart'),
  'house-panel-runbook-rule': (it) => (firstPanel(it).links = []),
  'house-frame-rule': (it) => (it.timezone = 'browser'),
  'house-annotation-rule': (it) => (it.annotations.list[0].expr = 'onsale_build_info'),
  'house-grid-rule': (it) => (firstPanel(it).gridPos.w += 1),
};
const asks = (it, expr) => (firstPanel(it).targets[0].expr = expr);

test('each rule notices what breaks it, and no other does', () => {
  assert.deepEqual(Object.keys(BREACHES), RULES.map(({ name }) => name));
  for (const [name, breaks] of Object.entries(BREACHES)) {
    const broken = ofUid('onsale-sale');
    breaks(broken);
    const noticed = new Set(breaksOf(broken).map((what) => what.split(':')[0]));
    assert.deepEqual([...noticed], [name], name);
  }
});

/** Every query of a dashboard: of panels, annotations and variables. */
const queriesOf = ({ title, panels, annotations, templating }) => [
  ...panels.flatMap((panel) => (panel.targets ?? []).map(({ expr }) => ({ where: `${title} / ${panel.title}`, expr }))),
  ...annotations.list.map(({ name, expr }) => ({ where: `${title} / ${name}`, expr })),
  ...templating.list
    .filter(({ type }) => type === 'query')
    .map(({ name, query }) => ({ where: `${title} / $${name}`, expr: query.replace(/^label_values\((.*), \w+\)$/, '$1') })),
];

const written = (/** @type {string} */ expr) =>
  expr.replaceAll('$__rate_interval', '5m').replaceAll('$__range', '1h').replaceAll('$__interval', '1m');

/** What promtool says of these queries, each as a rule of its own. JSON is YAML. */
function checked(queries) {
  const rules = queries.map(({ where, expr }, at) => ({ record: `query:${at}`, expr: written(expr), labels: { where } }));
  const folder = mkdtempSync(join(tmpdir(), 'onsale-queries-'));
  try {
    writeFileSync(join(folder, 'queries.yml'), JSON.stringify({ groups: [{ name: 'queries', rules }] }));
    return promtool('.', ['check', 'rules', '--lint=none', join(folder, 'queries.yml')]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('target-promql-rule: every query parses', () => {
  const queries = dashboards.flatMap(queriesOf);
  assert.ok(queries.length > 150, `${queries.length}`);
  const { well, said } = checked(queries);
  assert.ok(well, said);
  assert.match(said, new RegExp(`${queries.length} rules found`));
  assert.ok(!checked([...queries, { where: 'here', expr: 'sum by sale (onsale_shoppers)' }]).well);
});

test('every panel leads to an entry of the runbook that is there', () => {
  const entries = runbook();
  for (const dashboard of dashboards) {
    for (const { title, links } of dashboard.panels.filter(({ type }) => type !== 'row')) {
      const [, anchor] = links[0].url.split('#');
      assert.ok(entries.has(anchor), `${dashboard.title} / ${title}: ${anchor}`);
    }
    assert.equal(dashboard.templating.list.find(({ name }) => name === 'runbook').query, RUNBOOK);
  }
});

test('what is an objective is shown with its line', () => {
  const edge = ofUid('onsale-edge');
  const lines = edge.panels.filter(({ title }) => title.startsWith('99 of 100 answers: '));
  const shown = lines.map(({ title, fieldConfig }) => [title.split(': ')[1], fieldConfig.defaults.thresholds.steps.at(-1).value]);
  const { default: others, ...named } = SLO.route_p99_s;
  assert.deepEqual(Object.fromEntries(shown), { ...named, 'all others': others });
  assert.deepEqual(Object.keys(ROUTES), Object.keys(named));
});
