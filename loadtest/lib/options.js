/** What every scenario is run with, and held to. */

import { GROUP, PATIENCE_S, SETTLE_S, SLO, SLO_FACTOR, TICKETS_WITHIN_S } from './config.js';
import { ENDINGS } from './fan.js';
import { FAN_REQUESTS } from './http.js';

/** Only what has a threshold is in a summary by its tag: this one is always kept. */
export const NO_BOUND = 'count>=0';

const bound_ms = (seconds) => seconds * 1_000 * SLO_FACTOR;

/** The SLOs, and what a scenario wants besides. */
function thresholds(own) {
  const all = {
    errors: [`rate<=${SLO.errors_ratio_max}`],
    audit_held: ['rate==1'],
    clear_answers: ['rate==1'],
    socket_frame_lag: [`p(99)<${bound_ms(SLO.socket_frame_lag_p99_s)}`],
  };
  for (const name of FAN_REQUESTS) {
    all[`http_req_duration{name:${name}}`] = [`p(99)<${bound_ms(SLO.route_p99_s[name] ?? SLO.route_p99_s.default)}`];
  }
  for (const ending of ENDINGS) all[`fans{ending:${ending}}`] = [NO_BOUND];
  return { ...all, ...own };
}

/** The options of a scenario. */
export function optionsOf(name, scenarios, own = {}) {
  return {
    scenarios,
    thresholds: thresholds(own),
    tags: { testid: name },
    // No URL: it has ids in it, and every request has a name.
    systemTags: ['status', 'method', 'name', 'scenario', 'error_code', 'expected_response'],
    summaryTrendStats: ['avg', 'min', 'med', 'p(95)', 'p(99)', 'max', 'count'],
    // Connections kept for the people of one VU.
    batch: GROUP,
    batchPerHost: GROUP,
    setupTimeout: '120s',
    teardownTimeout: `${SETTLE_S + 60}s`,
  };
}

/**
 * People who come at a rate, in groups: `stages` as k6 has them, of people a second. The VUs are there beforehand, as many as the
 * groups that can be under way at once; a group that finds none fails the run, because the load was not the one asked for.
 */
export function arriving(per_s, stages, vus, more = {}) {
  return {
    executor: 'ramping-arrival-rate', startRate: 0, timeUnit: `${groupOf(per_s)}s`, preAllocatedVUs: vus, gracefulStop: GRACE,
    stages: stages.map(([share, seconds]) => ({ target: Math.round(share * per_s), duration: `${seconds}s` })), ...more,
  };
}

/** How many come together when so many come a second: one group a second at least, so that a small crowd comes in time. */
export const groupOf = (per_s) => Math.min(GROUP, per_s);

/** Over how long they come. */
export const spread_ms = (per_s) => (groupOf(per_s) / per_s) * 1_000;

/** As long as the last of them may need. */
export const GRACE_S = Math.ceil(PATIENCE_S + 2 * TICKETS_WITHIN_S);
const GRACE = `${GRACE_S}s`;

/** So many people, in groups, each group in a VU of its own and once. */
export function people(size, exec = 'default', more = {}) {
  const vus = Math.ceil(size / GROUP);
  return { executor: 'per-vu-iterations', vus, iterations: 1, maxDuration: GRACE, gracefulStop: GRACE, exec, ...more };
}

/** How many people the group of this VU is of: all groups together are `size`. */
export const sizeOfGroup = (iteration, size) => Math.min(GROUP, size - iteration * GROUP);
