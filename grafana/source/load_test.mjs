/**
 * *Load test*: what k6 sees, and beside it what the gateways and the stores say of the same minutes.
 *
 * k6 writes its metrics into Prometheus (`k6 run -o experimental-prometheus-rw`), times in seconds, with
 * `K6_PROMETHEUS_RW_TREND_STATS="p(50),p(95),p(99),min,max,avg"` and a tag `testid` for each run.
 */

import { dashboard } from './dashboard.mjs';
import { MUST_BE_ZERO, above, below, lines, stat } from './panel.mjs';
import { SLO } from './slo.mjs';

const verdict = [
  stat({
    title: 'Requests',
    says: 'Requests a second that k6 makes.',
    unit: 'reqps',
    runbook: 'load-tests',
    width: 3,
    queries: [['sum(rate(k6_http_reqs_total{@k6}[$__rate_interval]))', 'all']],
  }),
  stat({
    title: 'Checks that held',
    says: 'The share of what the scripts check that was as it should be.',
    unit: 'percentunit',
    runbook: 'load-tests',
    width: 3,
    decimals: 3,
    thresholds: below(1),
    queries: [['min(k6_checks_rate{@k6})', 'held']],
  }),
  stat({
    title: '99 of 100 requests',
    says: `As k6 sees them, of the slowest kind; the objective of most routes is ${SLO.route_p99_s.default} s.`,
    unit: 's',
    runbook: 'load-tests',
    width: 3,
    thresholds: above(SLO.route_p99_s.pay, SLO.route_p99_s.default),
    queries: [['max(k6_http_req_duration_p99{@k6})', 'slowest']],
  }),
  stat({
    title: 'Iterations that were left out',
    says: 'k6 had nobody free to begin them: the load was less than asked for, so the run says less than it seems. Give it more VUs.',
    unit: 'short',
    runbook: 'load-tests',
    width: 3,
    thresholds: MUST_BE_ZERO,
    queries: [['sum(increase(k6_dropped_iterations_total{@k6}[$__range])) or vector(0)', 'dropped']],
  }),
  stat({
    title: 'Audit held',
    says: 'Whether the audit that a run ends with found every invariant whole. Nothing is shown before the end.',
    unit: 'percentunit',
    runbook: 'onsaleinvariantbroken',
    width: 3,
    thresholds: below(1),
    queries: [['min(k6_audit_held_rate{@k6})', 'held']],
  }),
  stat({
    title: 'Oversold',
    says: 'Must be 0, under any load.',
    unit: 'short',
    runbook: 'onsaleoversold',
    width: 3,
    thresholds: MUST_BE_ZERO,
    queries: [['max(onsale_oversold_units{@})', 'breaches']],
  }),
  stat({
    title: 'Imbalance',
    says: 'Must be 0, under any load.',
    unit: 'short',
    runbook: 'onsaleledgerimbalance',
    width: 3,
    thresholds: MUST_BE_ZERO,
    queries: [['max(onsale_ledger_imbalance{@})', 'breaches']],
  }),
];

const k6 = [
  lines({
    title: 'Virtual users',
    says: 'VUs at work, and how many k6 has. A VU may hold many sockets.',
    unit: 'short',
    runbook: 'load-tests',
    queries: [
      ['sum(k6_vus{@k6})', 'at work'],
      ['sum(k6_vus_max{@k6})', 'there are'],
    ],
  }),
  lines({
    title: 'Requests a second, by scenario and status',
    says: 'What k6 asked, by what it was answered.',
    unit: 'reqps',
    runbook: 'load-tests',
    stacked: true,
    queries: [['sum by (scenario, status) (rate(k6_http_reqs_total{@k6}[$__rate_interval]))', '{{scenario}} {{status}}']],
  }),
  lines({
    title: '99 of 100 requests, by name',
    says: 'As k6 sees them, network and waiting included.',
    unit: 's',
    runbook: 'load-tests',
    thresholds: above(SLO.route_p99_s.default),
    queries: [['max by (name) (k6_http_req_duration_p99{@k6})', '{{name}}']],
  }),
  lines({
    title: 'Half of the requests, by name',
    says: 'What one of two requests stays below.',
    unit: 's',
    runbook: 'load-tests',
    queries: [['max by (name) (k6_http_req_duration_p50{@k6})', '{{name}}']],
  }),
  lines({
    title: 'Errors, by name',
    says: `The share of requests that were answered with an error, or not at all; overload that was declared is none. The objective is ${SLO.errors_ratio_max * 100} %.`,
    unit: 'percentunit',
    runbook: 'load-tests',
    thresholds: above(SLO.errors_ratio_max),
    queries: [['max by (name) (k6_errors_rate{@k6})', '{{name}}']],
  }),
  lines({
    title: 'Overload that was declared, a second',
    says: 'Answers of 503 that say when to come back, by name.',
    unit: 'reqps',
    runbook: 'onsaleturnsaway',
    queries: [['sum by (name) (rate(k6_overloads_total{@k6}[$__rate_interval]))', '{{name}}']],
  }),
  lines({
    title: 'Checks that held, by check',
    says: 'A check that does not hold is named.',
    unit: 'percentunit',
    runbook: 'load-tests',
    max: 1,
    queries: [['min by (check) (k6_checks_rate{@k6})', '{{check}}']],
  }),
  lines({
    title: 'Iterations a second',
    says: 'People who began, by scenario, and those that k6 had to leave out.',
    unit: 'ops',
    runbook: 'load-tests',
    queries: [
      ['sum by (scenario) (rate(k6_iterations_total{@k6}[$__rate_interval]))', '{{scenario}}'],
      ['sum(rate(k6_dropped_iterations_total{@k6}[$__rate_interval]))', 'left out'],
    ],
  }),
  lines({
    title: 'How late frames are',
    says: `From when the gateway made a frame to when k6 read it. The line in red is the objective of 99 of 100: ${SLO.socket_frame_lag_p99_s} s.`,
    unit: 's',
    runbook: 'load-tests',
    thresholds: above(SLO.socket_frame_lag_p99_s),
    queries: [
      ['max(k6_socket_frame_lag_p99{@k6})', 'p99'],
      ['max(k6_socket_frame_lag_p50{@k6})', 'p50'],
    ],
  }),
  lines({
    title: 'Sockets, a second',
    says: 'Sockets that k6 opened, frames that it got, and connections that it lost or dropped.',
    unit: 'ops',
    runbook: 'load-tests',
    queries: [
      ['sum(rate(k6_ws_sessions_total{@k6}[$__rate_interval]))', 'opened'],
      ['sum(rate(k6_ws_msgs_received_total{@k6}[$__rate_interval]))', 'frames'],
      ['sum(rate(k6_socket_drops_total{@k6}[$__rate_interval]))', 'lost'],
    ],
  }),
  lines({
    title: 'Fans a second, by how it ended for them',
    says: 'People whose day is over: with tickets, without, or lost on the way, which is an error.',
    unit: 'ops',
    runbook: 'load-tests',
    stacked: true,
    queries: [['sum by (ending) (rate(k6_fans_total{@k6}[$__rate_interval]))', '{{ending}}']],
  }),
  lines({
    title: 'How long fans waited, and took to buy',
    says: 'From joining to the turn, and from the turn to the tickets.',
    unit: 's',
    runbook: 'load-tests',
    queries: [
      ['max(k6_waited_for_turn_p50{@k6})', 'waited, half of them'],
      ['max(k6_waited_for_turn_p99{@k6})', 'waited, 99 of 100'],
      ['max(k6_bought_within_p50{@k6})', 'bought, half of them'],
      ['max(k6_bought_within_p99{@k6})', 'bought, 99 of 100'],
    ],
  }),
  lines({
    title: 'Bytes a second',
    says: 'What k6 got and sent.',
    unit: 'Bps',
    runbook: 'load-tests',
    queries: [
      ['sum(rate(k6_data_received_total{@k6}[$__rate_interval]))', 'got'],
      ['sum(rate(k6_data_sent_total{@k6}[$__rate_interval]))', 'sent'],
    ],
  }),
];

const servers = [
  lines({
    title: 'Answers a second, by status',
    says: 'The same requests as the gateways count them.',
    unit: 'reqps',
    runbook: 'onsaleerrorbudgetburns',
    stacked: true,
    queries: [
      [
        'sum by (http_response_status_code) (rate(http_server_request_duration_seconds_count{@}[$__rate_interval]))',
        '{{http_response_status_code}}',
      ],
    ],
  }),
  lines({
    title: '99 of 100 answers, by route',
    says: 'The slowest routes, as the gateways see them: what k6 sees above this is network, or k6 itself.',
    unit: 's',
    runbook: 'onsaleslow',
    queries: [
      [
        'topk(8, histogram_quantile(0.99, sum by (le, http_route) (rate(http_server_request_duration_seconds_bucket{@}[$__rate_interval]))))',
        '{{http_route}}',
      ],
    ],
  }),
  lines({
    title: 'Line, shoppers and sockets',
    says: 'The line, who is inside, and open sockets of all gateways.',
    unit: 'short',
    runbook: 'the-sale',
    queries: [
      ['sum(max by (sale) (onsale_queue_waiting{@}))', 'waiting'],
      ['sum(max by (sale) (onsale_shoppers{@}))', 'inside'],
      ['sum(onsale_sockets{@})', 'sockets'],
    ],
  }),
  lines({
    title: 'Units',
    says: 'Every unit by its state.',
    unit: 'short',
    runbook: 'onsaleoversold',
    stacked: true,
    queries: [['sum by (state) (max by (sale, tier, state) (onsale_units{@}))', '{{state}}']],
  }),
  lines({
    title: 'Processor and runtime',
    says: 'Cores in use, and the share of the time that the threads of the runtime work: whichever is full saturates first.',
    unit: 'short',
    runbook: 'onsaleruntimebusy',
    queries: [
      ['sum by (job, instance) (rate(process_cpu_seconds_total{@}[$__rate_interval]))', '{{job}} {{instance}} cores'],
      ['max by (job, instance) (onsale_runtime_busy_ratio{@})', '{{job}} {{instance}} busy'],
    ],
  }),
  lines({
    title: 'Waiting for Postgres, and for workers',
    says: 'Callers that wait for a connection, events that are not applied, and jobs to do.',
    unit: 'short',
    runbook: 'onsalepoolexhausted',
    queries: [
      ['max by (job) (onsale_postgres_pool_waiting{@})', '{{job}} wait for a connection'],
      ['max(onsale_inbox_pending{@})', 'inbox'],
      ['max by (queue) (onsale_jobs_pending{@})', '{{queue}}'],
    ],
  }),
];

export const loadTest = dashboard({
  uid: 'onsale-load-test',
  title: 'Onsale / Load test',
  says: 'What k6 sees, and beside it what the gateways and the stores say of the same minutes.',
  refresh: '5s',
  variables: ['job', 'instance', 'testid'],
  rows: [
    ['Verdict', verdict],
    ['What k6 sees', k6],
    ['What the gateways and the stores say', servers],
  ],
});
