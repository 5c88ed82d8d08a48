/**
 * How a panel is written here, and what Grafana is given of it.
 *
 * A query is PromQL with a mark in the braces, which stands for the matchers that every query has: `{@}` for a process,
 * `{@sale}` for a process and a sale, `{@k6}` for a run of k6. So no query can forget one.
 */

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

const MATCHERS = {
  '@sale': 'job=~"$job",instance=~"$instance",sale=~"$sale"',
  '@k6': 'testid=~"$testid"',
  '@': 'job=~"$job",instance=~"$instance"',
};

/** The query with its marks written out. */
export function expand(/** @type {string} */ query) {
  return query.replace(/@(sale|k6)?/g, (mark) => MATCHERS[mark]).replace(/\s+/g, ' ').trim();
}

/** What is red from this figure on, and amber from the one before. */
export const above = (/** @type {number} */ red, /** @type {number | undefined} */ amber) => steps('green', [amber, 'orange'], [red, 'red']);

/** What is red below this figure. */
export const below = (/** @type {number} */ red) => steps('red', [red, 'green']);

/** What must be nothing. */
export const MUST_BE_ZERO = above(1);
/** What must be one. */
export const MUST_BE_ONE = below(1);

/** What shows while something is so, and nothing while it is not. */
export const shownAs = (/** @type {string} */ color) => steps('transparent', [1, color]);

function steps(first, ...others) {
  const given = others.filter(([value]) => value !== undefined);
  return { mode: 'absolute', steps: [{ color: first, value: null }, ...given.map(([value, color]) => ({ color, value }))] };
}

function targets(queries, more) {
  return queries.map(([query, legend], index) => ({
    datasource: DATASOURCE,
    editorMode: 'code',
    expr: expand(query),
    legendFormat: legend,
    refId: String.fromCharCode('A'.charCodeAt(0) + index),
    ...more,
  }));
}

/**
 * A panel of any kind.
 *
 * @param {string} type
 * @param {{title: string, says: string, unit: string, runbook: string, width?: number, height?: number,
 *          thresholds?: object, min?: number, max?: number, decimals?: number,
 *          queries: [string, string][]}} of
 */
function panel(type, of, { custom, options, target }) {
  const { title, says, unit, runbook, queries, width, height, thresholds, min, max, decimals } = of;
  return {
    type,
    title,
    description: says,
    datasource: DATASOURCE,
    gridPos: { h: height, w: width },
    fieldConfig: {
      defaults: {
        unit,
        ...(min === undefined ? {} : { min }),
        ...(max === undefined ? {} : { max }),
        ...(decimals === undefined ? {} : { decimals }),
        thresholds: thresholds ?? steps('green'),
        ...custom,
      },
      overrides: [],
    },
    options,
    targets: targets(queries, target),
    links: [{ title: 'Runbook', url: `\${runbook}#${runbook}`, targetBlank: true }],
  };
}

/** One figure, as it is now. */
export function stat(of) {
  return panel('stat', { width: 3, height: 4, ...of }, {
    custom: { color: { mode: of.thresholds ? 'thresholds' : 'fixed', ...(of.thresholds ? {} : { fixedColor: 'text' }) } },
    options: {
      colorMode: of.thresholds ? 'background' : 'value',
      graphMode: 'none',
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      textMode: of.textMode ?? 'auto',
    },
    target: { instant: true, range: false },
  });
}

/** Lines over time; `stacked` for parts of a whole. */
export function lines(of) {
  return panel('timeseries', { width: 8, height: 8, min: 0, ...of }, {
    custom: {
      color: { mode: 'palette-classic' },
      custom: {
        drawStyle: 'line',
        fillOpacity: of.stacked ? 30 : 8,
        lineWidth: 1,
        showPoints: 'never',
        spanNulls: false,
        stacking: { group: 'A', mode: of.stacked ? 'normal' : 'none' },
        thresholdsStyle: { mode: of.thresholds ? 'line' : 'off' },
      },
    },
    options: {
      legend: { calcs: ['lastNotNull', 'max'], displayMode: 'table', placement: 'bottom', showLegend: true },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
    target: { range: true },
  });
}

/** How answers are spread over the buckets of a histogram. */
export function heatmap(of) {
  return panel('heatmap', { width: 12, height: 8, ...of }, {
    custom: {},
    options: {
      calculate: false,
      cellGap: 1,
      color: { exponent: 0.5, mode: 'scheme', scheme: 'Oranges', steps: 64 },
      legend: { show: true },
      tooltip: { mode: 'single', yHistogram: false },
      yAxis: { unit: of.unit },
    },
    target: { format: 'heatmap', range: true },
  });
}

/** When something was so. */
export function timeline(of) {
  return panel('state-timeline', { width: 24, height: 4, ...of }, {
    custom: { color: { mode: 'thresholds' }, custom: { fillOpacity: 70, lineWidth: 0 } },
    options: {
      legend: { showLegend: false },
      mergeValues: true,
      rowHeight: 0.8,
      showValue: 'never',
      tooltip: { mode: 'single' },
    },
    target: { range: true },
  });
}
