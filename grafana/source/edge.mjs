/** *Edge*: rate, errors and durations of what clients ask, the live channel, and the gateways themselves. */

import { dashboard } from './dashboard.mjs';
import { above, heatmap, lines, stat } from './panel.mjs';
import { process } from './process.mjs';
import { ROUTES, SLO } from './slo.mjs';

const COUNT = 'http_server_request_duration_seconds_count';
const BUCKET = 'http_server_request_duration_seconds_bucket';
const BURN = SLO.availability_burn;

const errorsOver = (/** @type {string} */ window) =>
  `(sum(increase(${COUNT}{@,http_response_status_code=~"5..",http_response_status_code!="503"}[${window}])) or vector(0))
     / sum(increase(${COUNT}{@}[${window}]))`;

const p99 = (/** @type {string} */ which) =>
  `histogram_quantile(0.99, sum by (le) (rate(${BUCKET}{@,${which}}[$__rate_interval])))`;

const inClass = Object.entries(ROUTES).map(([name, which]) =>
  lines({
    title: `99 of 100 answers: ${name}`,
    says: `What 99 of 100 answers stay below, beside the objective of ${SLO.route_p99_s[name]} s. The line in red is the objective.`,
    unit: 's',
    runbook: 'onsaleslow',
    width: 6,
    thresholds: above(SLO.route_p99_s[name]),
    queries: [[p99(which), 'p99']],
  }),
);

const objectives = [
  stat({
    title: 'Requests',
    says: 'Answers a second, of all gateways.',
    unit: 'reqps',
    runbook: 'the-edge',
    width: 4,
    queries: [[`sum(rate(${COUNT}{@}[$__rate_interval]))`, 'all']],
  }),
  stat({
    title: 'Errors',
    says: `The share of answers that are errors: 500 and above, but for 503, which says when to come back. The objective is ${SLO.errors_ratio_max * 100} %.`,
    unit: 'percentunit',
    runbook: 'onsaleerrorbudgetburns',
    width: 4,
    decimals: 3,
    thresholds: above(SLO.errors_ratio_max * BURN.factor, SLO.errors_ratio_max),
    queries: [[errorsOver('$__rate_interval'), 'errors']],
  }),
  stat({
    title: `Burn, ${BURN.short_window}`,
    says: `How many times faster than the objective allows errors come, over ${BURN.short_window}. Above ${BURN.factor}, here and over ${BURN.long_window}, somebody is called while a sale is open.`,
    unit: 'short',
    runbook: 'onsaleerrorbudgetburns',
    width: 4,
    decimals: 1,
    thresholds: above(BURN.factor, 1),
    queries: [[`(${errorsOver(BURN.short_window)}) / ${SLO.errors_ratio_max}`, 'times']],
  }),
  stat({
    title: `Burn, ${BURN.long_window}`,
    says: `The same over ${BURN.long_window}.`,
    unit: 'short',
    runbook: 'onsaleerrorbudgetburns',
    width: 4,
    decimals: 1,
    thresholds: above(BURN.factor, 1),
    queries: [[`(${errorsOver(BURN.long_window)}) / ${SLO.errors_ratio_max}`, 'times']],
  }),
  stat({
    title: 'Come back later',
    says: 'The share of answers that are 503: a store is away or the gateway is full, and says when to come back. Not an error, but many of them are felt.',
    unit: 'percentunit',
    runbook: 'onsaleturnsaway',
    width: 4,
    decimals: 2,
    thresholds: above(0.05, 0.01),
    queries: [
      [
        `(sum(rate(${COUNT}{@,http_response_status_code="503"}[$__rate_interval])) or vector(0))
           / sum(rate(${COUNT}{@}[$__rate_interval]))`,
        '503',
      ],
    ],
  }),
  stat({
    title: 'Gateways',
    says: 'Processes that are up, of those that are scraped.',
    unit: 'short',
    runbook: 'onsaletargetdown',
    width: 4,
    queries: [['sum(up{@})', 'up']],
  }),
  lines({
    title: 'Answers a second, by status',
    says: '2xx and 3xx are well; 4xx are refusals with a name; 503 says when to come back; other 5xx are errors.',
    unit: 'reqps',
    runbook: 'onsaleerrorbudgetburns',
    stacked: true,
    queries: [[`sum by (http_response_status_code) (rate(${COUNT}{@}[$__rate_interval]))`, '{{http_response_status_code}}']],
  }),
  lines({
    title: 'Errors a second, by route',
    says: 'Answers of 500 and above but for 503. None is right.',
    unit: 'reqps',
    runbook: 'onsaleerrorbudgetburns',
    queries: [
      [
        `sum by (http_request_method, http_route) (rate(${COUNT}{@,http_response_status_code=~"5..",http_response_status_code!="503"}[$__rate_interval]))`,
        '{{http_request_method}} {{http_route}}',
      ],
    ],
  }),
  lines({
    title: '99 of 100 answers: all others',
    says: `What 99 of 100 answers stay below on all routes without an objective of their own. The line in red is the objective of ${SLO.route_p99_s.default} s.`,
    unit: 's',
    runbook: 'onsaleslow',
    thresholds: above(SLO.route_p99_s.default),
    queries: [
      [
        p99('http_route!~"/v1/sales/.sale./(holds|orders|orders/.order./pay)|/v1/stripe/webhook"'),
        'p99',
      ],
    ],
  }),
  ...inClass,
];

const routes = [
  lines({
    title: 'Requests a second, by route',
    says: 'The busiest routes.',
    unit: 'reqps',
    runbook: 'the-edge',
    width: 12,
    queries: [
      [`topk(12, sum by (http_request_method, http_route) (rate(${COUNT}{@}[$__rate_interval])))`, '{{http_request_method}} {{http_route}}'],
    ],
  }),
  lines({
    title: '99 of 100 answers, by route',
    says: 'The slowest routes.',
    unit: 's',
    runbook: 'onsaleslow',
    width: 12,
    queries: [
      [
        `topk(12, histogram_quantile(0.99, sum by (le, http_request_method, http_route) (rate(${BUCKET}{@}[$__rate_interval]))))`,
        '{{http_request_method}} {{http_route}}',
      ],
    ],
  }),
  heatmap({
    title: 'How answers are spread',
    says: 'All answers by how long they took: two bands are two kinds of answers, one that moves up is a store that becomes slow.',
    unit: 's',
    runbook: 'onsaleslow',
    queries: [[`sum by (le) (rate(${BUCKET}{@}[$__rate_interval]))`, '{{le}}']],
  }),
  lines({
    title: 'Refusals a second, by status and route',
    says: 'Answers of 400 to 499. 429 is somebody over a limit, 409 a wish that cannot be met any more, 401 and 403 a token that is not good.',
    unit: 'reqps',
    runbook: 'the-edge',
    width: 12,
    queries: [
      [
        `topk(12, sum by (http_response_status_code, http_route) (rate(${COUNT}{@,http_response_status_code=~"4.."}[$__rate_interval])))`,
        '{{http_response_status_code}} {{http_route}}',
      ],
    ],
  }),
];

const live = [
  lines({
    title: 'Sockets, beside their bound',
    says: 'Open sockets of each gateway. At the bound the next visitor is told to poll.',
    unit: 'short',
    runbook: 'onsalesocketsnearbound',
    queries: [
      ['sum by (instance) (onsale_sockets{@})', '{{instance}}'],
      ['max(onsale_sockets_max{@})', 'bound of one gateway'],
    ],
  }),
  lines({
    title: 'Event streams',
    says: 'Open event streams: visitors whom no socket reaches. Many at once mean that something in front of the gateways cuts sockets.',
    unit: 'short',
    runbook: 'the-edge',
    queries: [['sum by (instance) (onsale_event_streams{@})', '{{instance}}']],
  }),
  lines({
    title: 'Joins in one call to a store',
    says: 'On average. One when it is quiet; it grows with the load, which is how the load is carried.',
    unit: 'short',
    runbook: 'the-edge',
    queries: [
      [
        'sum by (what) (rate(onsale_join_batch_size_sum{@}[$__rate_interval])) / sum by (what) (rate(onsale_join_batch_size_count{@}[$__rate_interval]))',
        '{{what}}',
      ],
    ],
  }),
  lines({
    title: "Stripe's events a second",
    says: 'What the webhook did with them: stored and duplicate are well, refused is a signature that is not good, failed could not be stored and comes again.',
    unit: 'ops',
    runbook: 'onsalewebhookrefused',
    queries: [['sum by (outcome) (rate(onsale_webhook_events_total{@}[$__rate_interval]))', '{{outcome}}']],
  }),
  lines({
    title: 'Failed calls a second, by store',
    says: 'Calls of gateways to Redis, Postgres and Stripe that failed.',
    unit: 'ops',
    runbook: 'stores',
    queries: [['sum by (store) (rate(onsale_store_errors_total{@}[$__rate_interval]))', '{{store}}']],
  }),
];

export const edge = dashboard({
  uid: 'onsale-edge',
  title: 'Onsale / Edge',
  says: 'What clients ask and how it is answered: the objectives first, then route by route, then the live channel and the gateways.',
  refresh: '10s',
  variables: ['job', 'instance', 'sale'],
  rows: [
    ['Objectives', objectives],
    ['Routes', routes],
    ['Live channel, joins and webhook', live],
    ['Processes', process],
  ],
});
