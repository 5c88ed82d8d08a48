/** A dashboard out of rows of panels: places, numbers, variables, annotations and links. */

import { expand } from './panel.mjs';

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
/** Grafana's grid. */
const COLUMNS = 24;
/** Where the project's documentation is read; set it once, here. */
export const RUNBOOK = 'https://onsale.example/docs/runbook.md';

const chosen = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ definition) => ({
  allValue: '.+',
  current: { selected: true, text: ['All'], value: ['$__all'] },
  datasource: DATASOURCE,
  definition,
  hide: 0,
  includeAll: true,
  label,
  multi: true,
  name,
  options: [],
  query: definition,
  refresh: 2,
  regex: '',
  sort: 1,
  type: 'query',
});

const SOURCE = {
  current: {},
  hide: 0,
  includeAll: false,
  label: 'Data source',
  multi: false,
  name: 'datasource',
  options: [],
  query: 'prometheus',
  refresh: 1,
  regex: '',
  type: 'datasource',
};

const RUNBOOK_BASE = {
  current: { selected: false, text: RUNBOOK, value: RUNBOOK },
  hide: 2,
  label: 'Runbook',
  name: 'runbook',
  query: RUNBOOK,
  skipUrlSync: true,
  type: 'constant',
};

const VARIABLES = {
  job: chosen('job', 'Job', 'label_values(onsale_build_info, job)'),
  instance: chosen('instance', 'Instance', 'label_values(onsale_build_info{job=~"$job"}, instance)'),
  sale: chosen('sale', 'Sale', 'label_values(onsale_sale_state{job=~"$job",instance=~"$instance"}, sale)'),
  testid: chosen('testid', 'Test', 'label_values(k6_vus, testid)'),
};

const annotation = (name, iconColor, query, title, text, more = {}) => ({
  datasource: DATASOURCE,
  enable: true,
  expr: expand(query),
  hide: false,
  iconColor,
  name,
  step: '10s',
  tagKeys: '',
  textFormat: text,
  titleFormat: title,
  ...more,
});

const DEPLOYS = annotation(
  'Deploys',
  'blue',
  `count by (job, version, commit) (onsale_build_info{@})
     unless count by (job, version, commit) (onsale_build_info{@} offset 1m)`,
  '{{job}} is {{version}}',
  'commit {{commit}}',
);
const SALE_STATES = annotation(
  'Sale states',
  'purple',
  `max by (sale, state) (onsale_sale_state{@sale}) == 1
     unless max by (sale, state) (onsale_sale_state{@sale} offset 1m) == 1`,
  '{{sale}} is {{state}}',
  'the state of the sale changed',
);
const OPENINGS = annotation(
  'Doors open',
  'green',
  'max by (sale) (onsale_sale_opens_timestamp_seconds{@sale} > 0) * 1000',
  '{{sale}} opens',
  'as the organizer set it',
  { useValueForTime: 'on' },
);

/** Rows of panels on the grid, each panel right of the one before while there is room. */
function placed(rows) {
  let [y, id] = [0, 0];
  return rows.flatMap(([title, panels]) => {
    const row = { collapsed: false, gridPos: { h: 1, w: COLUMNS, x: 0, y }, id: ++id, panels: [], title, type: 'row' };
    y += 1;
    let [x, height] = [0, 0];
    const inside = panels.map((panel) => {
      const { w, h } = panel.gridPos;
      if (x + w > COLUMNS) {
        [x, y, height] = [0, y + height, 0];
      }
      const at = { ...panel, gridPos: { h, w, x, y }, id: ++id };
      [x, height] = [x + w, Math.max(height, h)];
      return at;
    });
    y += height;
    return [row, ...inside];
  });
}

/**
 * What Grafana reads.
 *
 * @param {{uid: string, title: string, says: string, refresh: string, variables: (keyof typeof VARIABLES)[],
 *          rows: [string, object[]][]}} dashboard
 */
export function dashboard({ uid, title, says, refresh, variables, rows }) {
  const ofSales = variables.includes('sale') ? [SALE_STATES, OPENINGS] : [];
  return {
    annotations: { list: [DEPLOYS, ...ofSales] },
    description: says,
    editable: false,
    fiscalYearStartMonth: 0,
    graphTooltip: 1,
    links: [
      {
        asDropdown: false,
        icon: 'external link',
        includeVars: true,
        keepTime: true,
        tags: ['onsale'],
        targetBlank: false,
        title: 'Onsale',
        type: 'dashboards',
      },
      { icon: 'doc', targetBlank: true, title: 'Runbook', type: 'link', url: '${runbook}' },
    ],
    panels: placed(rows),
    refresh,
    schemaVersion: 39,
    tags: ['onsale'],
    templating: { list: [SOURCE, ...variables.map((name) => VARIABLES[name]), RUNBOOK_BASE] },
    time: { from: 'now-1h', to: 'now' },
    timepicker: {},
    timezone: 'utc',
    title,
    uid,
    version: 1,
    weekStart: 'monday',
  };
}
