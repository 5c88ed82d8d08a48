/**
 * What every dashboard keeps: the rules of grafana/dashboard-linter under its names, and some of our own, which begin with *house*.
 *
 * A rule says what is wrong with a dashboard, in sentences; none is well. That a query parses (`target-promql-rule`) is asked of
 * promtool, for all of them at once.
 */

import { selectorsOf } from './promql.mjs';

const FIGURES = ['stat', 'timeseries', 'heatmap', 'state-timeline'];
/** Of Grafana's units, those that are used here. */
const UNITS = ['none', 'short', 'locale', 'percentunit', 'bytes', 'Bps', 's', 'ops', 'reqps', 'dateTimeFromNow', 'bool_yes_no'];

const panelsOf = (dashboard) => dashboard.panels.filter(({ type }) => type !== 'row');
const queriesOf = (dashboard) => panelsOf(dashboard).flatMap((panel) => panel.targets.map(({ expr }) => ({ panel, expr })));
const variable = (dashboard, name) => dashboard.templating.list.find((one) => one.name === name);
const chosen = (dashboard) => dashboard.templating.list.filter(({ type }) => type === 'query');
const isOfK6 = ({ metric }) => metric.startsWith('k6_');

const rule = (name, breaks) => ({ name, breaks: (dashboard) => [...breaks(dashboard)].map((what) => `${name}: ${what}`) });
const panelRule = (name, breaks) =>
  rule(name, function* (dashboard) {
    for (const panel of panelsOf(dashboard)) {
      for (const what of breaks(panel)) yield `"${panel.title}" ${what}`;
    }
  });
const selectorRule = (name, breaks) =>
  rule(name, function* (dashboard) {
    for (const { panel, expr } of queriesOf(dashboard)) {
      for (const selector of selectorsOf(expr)) {
        if (breaks(selector, dashboard, expr)) yield `"${panel.title}": ${selector.metric} in ${expr}`;
      }
    }
  });

function* isChosen(dashboard, name, label) {
  const is = variable(dashboard, name);
  if (!is) return yield `there is no ${name}`;
  if (is.datasource.uid !== '${datasource}') yield 'its source is not the one that is chosen';
  if (is.label !== label) yield `its label is ${is.label}`;
  if (!is.multi || !is.includeAll || is.allValue !== '.+') yield 'not all, or not several, may be chosen';
}

export const RULES = [
  rule('template-datasource-rule', function* (dashboard) {
    const sources = dashboard.templating.list.filter(({ type }) => type === 'datasource');
    if (sources.length !== 1 || sources[0].name !== 'datasource' || sources[0].label !== 'Data source' || sources[0].query !== 'prometheus') {
      yield 'the source cannot be chosen';
    }
  }),
  rule('template-job-rule', (dashboard) => isChosen(dashboard, 'job', 'Job')),
  rule('template-instance-rule', (dashboard) => isChosen(dashboard, 'instance', 'Instance')),
  rule('template-label-promql-rule', function* (dashboard) {
    for (const { name, query } of chosen(dashboard)) {
      if (!/^label_values\([^()]+, \w+\)$/.test(query)) yield `${name} asks ${query}`;
    }
  }),
  rule('template-on-time-change-reload-rule', function* (dashboard) {
    for (const { name, refresh } of chosen(dashboard)) {
      if (refresh !== 2) yield `${name} stays as it is when the time changes`;
    }
  }),
  panelRule('panel-datasource-rule', function* ({ datasource, targets }) {
    if ([datasource, ...targets.map((target) => target.datasource)].some(({ uid }) => uid !== '${datasource}')) {
      yield 'has a source of its own';
    }
  }),
  panelRule('panel-title-description-rule', function* ({ title, description }) {
    if (!title || !description) yield 'has no title or no description';
  }),
  panelRule('panel-units-rule', function* ({ fieldConfig }) {
    if (!UNITS.includes(fieldConfig.defaults.unit)) yield `has the unit ${fieldConfig.defaults.unit}`;
  }),
  panelRule('panel-no-targets-rule', function* ({ targets }) {
    if (!targets?.length) yield 'asks nothing';
  }),
  // There are no logs in these dashboards, so the two rules about LogQL come to this.
  panelRule('target-logql-rule', function* ({ datasource }) {
    if (datasource.type !== 'prometheus') yield `asks ${datasource.type}`;
  }),
  selectorRule('target-rate-interval-rule', ({ under, range }) => ['rate', 'irate'].includes(under) && range !== '[$__rate_interval]'),
  selectorRule('target-job-rule', (selector) => !isOfK6(selector) && !selector.matchers.includes('job=~"$job"')),
  selectorRule('target-instance-rule', (selector) => !isOfK6(selector) && !selector.matchers.includes('instance=~"$instance"')),
  selectorRule(
    'target-counter-agg-rule',
    ({ metric, under, range }) => metric.endsWith('_total') && !(range && ['rate', 'irate', 'increase'].includes(under)),
  ),
  rule('uneditable-dashboard', function* ({ editable }) {
    if (editable) yield 'may be edited';
  }),
  selectorRule('house-target-run-rule', (selector) => isOfK6(selector) && !selector.matchers.includes('testid=~"$testid"')),
  selectorRule(
    'house-target-sale-rule',
    ({ matchers }, dashboard, expr) =>
      variable(dashboard, 'sale') && /\bby \([^)]*\bsale\b/.test(expr) && !matchers.includes('sale=~"$sale"'),
  ),
  panelRule('house-panel-kind-rule', function* ({ type }) {
    if (!FIGURES.includes(type)) yield `is a ${type}, which no rule knows`;
  }),
  panelRule('house-panel-runbook-rule', function* ({ links }) {
    if (!links.some(({ url }) => url.startsWith('${runbook}#'))) yield 'leads to no entry of the runbook';
  }),
  rule('house-frame-rule', function* ({ uid, timezone, tags, annotations, links }) {
    if (!/^onsale-[a-z-]+$/.test(uid)) yield `has the uid ${uid}`;
    if (timezone !== 'utc') yield `has the time of ${timezone}`;
    if (!tags.includes('onsale') || !links.some(({ type }) => type === 'dashboards')) yield 'does not lead to the others';
    if (!annotations.list.some(({ name }) => name === 'Deploys')) yield 'does not show deploys';
  }),
  rule('house-annotation-rule', function* (dashboard) {
    const names = dashboard.annotations.list.map(({ name }) => name);
    if (variable(dashboard, 'sale') && !names.includes('Sale states')) yield 'does not show when the sale changed';
    for (const { name, expr, datasource } of dashboard.annotations.list) {
      if (datasource.uid !== '${datasource}') yield `"${name}" has a source of its own`;
      const loose = selectorsOf(expr).filter(({ matchers }) => !matchers.includes('job=~"$job"'));
      if (loose.length) yield `"${name}" asks for ${loose[0].metric} of every job`;
    }
  }),
  rule('house-grid-rule', function* ({ panels }) {
    if (new Set(panels.map(({ id }) => id)).size !== panels.length) yield 'two panels have one id';
    const taken = new Map();
    for (const { title, gridPos } of panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          if (x >= 24 || taken.has(`${x}:${y}`)) return yield `"${title}" lies on "${taken.get(`${x}:${y}`)}" or beside the grid`;
          taken.set(`${x}:${y}`, title);
        }
      }
    }
  }),
];

export const breaksOf = (dashboard) => RULES.flatMap(({ breaks }) => breaks(dashboard));
