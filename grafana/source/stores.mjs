/** *Stores and workers*: Redis, Postgres, Stripe and mail, and the work that is done behind the edge. */

import { dashboard } from './dashboard.mjs';
import { MUST_BE_ONE, MUST_BE_ZERO, above, lines, stat } from './panel.mjs';
import { process } from './process.mjs';

const wellness = [
  stat({
    title: 'Redis',
    says: '1 when every process reaches it.',
    unit: 'bool_yes_no',
    runbook: 'onsaleredisdown',
    width: 4,
    thresholds: MUST_BE_ONE,
    queries: [['min(onsale_redis_up{@})', 'up']],
  }),
  stat({
    title: 'Postgres',
    says: '1 when every process reaches it.',
    unit: 'bool_yes_no',
    runbook: 'onsalepostgresdown',
    width: 4,
    thresholds: MUST_BE_ONE,
    queries: [['min(onsale_postgres_up{@})', 'up']],
  }),
  stat({
    title: 'Mail configured',
    says: 'Whether there is a mail server. Without one, letters wait.',
    unit: 'bool_yes_no',
    runbook: 'onsalemailnotconfigured',
    width: 4,
    thresholds: MUST_BE_ONE,
    queries: [['max(onsale_mail_configured{@})', 'configured']],
  }),
  stat({
    title: 'Dead letters',
    says: 'Work that was given up and waits for people.',
    unit: 'short',
    runbook: 'onsaledeadletters',
    width: 4,
    thresholds: MUST_BE_ZERO,
    queries: [['sum(max by (queue) (onsale_dead_letters{@}))', 'letters']],
  }),
  stat({
    title: 'Oldest event',
    says: 'How long the oldest event of Stripe waits to be applied.',
    unit: 's',
    runbook: 'onsaleinboxstuck',
    width: 4,
    thresholds: above(60, 10),
    queries: [['max(onsale_inbox_oldest_age_seconds{@})', 'waits']],
  }),
  stat({
    title: 'Writes to Stripe left',
    says: 'Writes that could be made at this moment, by all processes together. 0 for long: the limit is what holds the sale up.',
    unit: 'short',
    runbook: 'onsalestripebudgetspent',
    width: 4,
    queries: [['min(onsale_stripe_budget_remaining{@})', 'writes']],
  }),
];

const redis = [
  lines({
    title: 'Script calls a second',
    says: 'Every change in Redis is one script.',
    unit: 'ops',
    runbook: 'stores',
    queries: [['sum by (script) (rate(onsale_redis_script_duration_seconds_count{@}[$__rate_interval]))', '{{script}}']],
  }),
  lines({
    title: '99 of 100 script calls',
    says: 'Round trip included, by script.',
    unit: 's',
    runbook: 'stores',
    queries: [
      [
        'histogram_quantile(0.99, sum by (le, script) (rate(onsale_redis_script_duration_seconds_bucket{@}[$__rate_interval])))',
        '{{script}}',
      ],
    ],
  }),
  lines({
    title: 'Script calls that failed, a second',
    says: 'not_loaded: Redis does not have the sale (yet); unavailable: it did not answer in time; script: it refused.',
    unit: 'ops',
    runbook: 'onsaleredisdown',
    queries: [['sum by (script, error) (rate(onsale_redis_script_errors_total{@}[$__rate_interval]))', '{{script}} {{error}}']],
  }),
  lines({
    title: 'Redis reached, by process',
    says: '1 while a process reaches Redis.',
    unit: 'bool_yes_no',
    runbook: 'onsaleredisdown',
    queries: [['min by (job, instance) (onsale_redis_up{@})', '{{job}} {{instance}}']],
  }),
  lines({
    title: 'Epoch',
    says: 'The life of the sale in Redis. A step up says that Redis was lost and rebuilt; 0 that it does not have the sale.',
    unit: 'short',
    runbook: 'onsaleredisepochchanged',
    queries: [['max by (sale) (onsale_redis_epoch{@sale})', '{{sale}}']],
  }),
];

const postgres = [
  lines({
    title: 'Connections',
    says: 'Connections of each pool, by whether they are in use, and how many there may be.',
    unit: 'short',
    runbook: 'onsalepoolexhausted',
    queries: [
      ['sum by (job, instance, state) (onsale_postgres_pool_connections{@})', '{{job}} {{instance}} {{state}}'],
      ['max by (job, instance) (onsale_postgres_pool_connections_max{@})', '{{job}} {{instance}} at most'],
    ],
  }),
  lines({
    title: 'Waiting for a connection',
    says: 'Callers that wait for a connection. Now and then is well; all the time is a pool that is too small or a Postgres that is too slow.',
    unit: 'short',
    runbook: 'onsalepoolexhausted',
    queries: [['max by (job, instance) (onsale_postgres_pool_waiting{@})', '{{job}} {{instance}}']],
  }),
  lines({
    title: '99 of 100 waits for a connection',
    says: 'How long it takes to get a connection.',
    unit: 's',
    runbook: 'onsalepoolexhausted',
    queries: [
      [
        'histogram_quantile(0.99, sum by (le, job) (rate(onsale_postgres_wait_duration_seconds_bucket{@}[$__rate_interval])))',
        '{{job}}',
      ],
    ],
  }),
  lines({
    title: 'Postgres reached, by process',
    says: '1 while a process reaches Postgres.',
    unit: 'bool_yes_no',
    runbook: 'onsalepostgresdown',
    queries: [['min by (job, instance) (onsale_postgres_up{@})', '{{job}} {{instance}}']],
  }),
];

const stripe = [
  lines({
    title: 'Calls a second, by outcome',
    says: 'done is well; declined is a bank that said no; unknown is no answer, and is asked again; rate_limited is Stripe saying that it was too much.',
    unit: 'ops',
    runbook: 'onsalepaymentsfail',
    queries: [
      [
        'sum by (operation, outcome) (rate(onsale_stripe_call_duration_seconds_count{@}[$__rate_interval]))',
        '{{operation}} {{outcome}}',
      ],
    ],
  }),
  lines({
    title: '99 of 100 calls',
    says: 'By operation. The bank is in the time of a call that creates a payment.',
    unit: 's',
    runbook: 'onsalepaymentsfail',
    queries: [
      [
        'histogram_quantile(0.99, sum by (le, operation) (rate(onsale_stripe_call_duration_seconds_bucket{@}[$__rate_interval])))',
        '{{operation}}',
      ],
    ],
  }),
  lines({
    title: 'Writes left',
    says: 'Writes that could be made at this moment, by all processes together.',
    unit: 'short',
    runbook: 'onsalestripebudgetspent',
    queries: [['min by (job) (onsale_stripe_budget_remaining{@})', '{{job}}']],
  }),
  lines({
    title: 'Who asked to write, a second',
    says: 'By class and result: granted by Redis, alone out of the local share while Redis is away, refused when the wait was too long.',
    unit: 'ops',
    runbook: 'onsalestripebudgetspent',
    queries: [['sum by (class, result) (rate(onsale_stripe_budget_total{@}[$__rate_interval]))', '{{class}} {{result}}']],
  }),
  lines({
    title: 'Share of the limit that is spent',
    says: 'Below 1 after Stripe answered 429, until it has recovered.',
    unit: 'percentunit',
    runbook: 'onsalestripelimitlowered',
    max: 1,
    queries: [
      ['min(onsale_stripe_budget_factor{@})', 'share'],
    ],
  }),
  lines({
    title: 'Answers that slowed everybody down',
    says: 'Answers of Stripe with 429 that lowered the limit.',
    unit: 'short',
    runbook: 'onsalestripelimitlowered',
    queries: [['sum(increase(onsale_stripe_budget_slowed_total{@}[$__rate_interval]))', '429']],
  }),
  lines({
    title: 'Events of another version',
    says: 'Events in another API version than ours: read, or unreadable and set aside.',
    unit: 'short',
    runbook: 'onsaleeventsofanotherversion',
    thresholds: MUST_BE_ZERO,
    queries: [['sum by (result) (increase(onsale_stripe_events_of_another_version_total{@}[$__rate_interval]))', '{{result}}']],
  }),
  lines({
    title: 'Looks for payments that nobody heard of',
    says: 'By what came of them. misfit wants people.',
    unit: 'short',
    runbook: 'onsalepaymentmisfit',
    queries: [['sum by (result) (increase(onsale_payment_looks_total{@}[$__rate_interval]))', '{{result}}']],
  }),
];

const work = [
  lines({
    title: 'Waiting',
    says: 'Events of Stripe that are not applied, and jobs to do by queue.',
    unit: 'short',
    runbook: 'onsalejobsold',
    queries: [
      ['max(onsale_inbox_pending{@})', 'inbox'],
      ['max by (queue) (onsale_jobs_pending{@})', '{{queue}}'],
    ],
  }),
  lines({
    title: 'Age of the oldest',
    says: 'How long the oldest event and the oldest job of each queue wait. Jobs that are put off for later are among them.',
    unit: 's',
    runbook: 'onsalejobsold',
    queries: [
      ['max(onsale_inbox_oldest_age_seconds{@})', 'inbox'],
      ['max by (queue) (onsale_jobs_oldest_age_seconds{@})', '{{queue}}'],
    ],
  }),
  lines({
    title: 'Done a second, by outcome',
    says: 'done is over; retry comes again later; postponed and not_yet are the fault of none of us; parked and quarantined are dead letters.',
    unit: 'ops',
    runbook: 'onsaledeadletters',
    queries: [['sum by (queue, outcome) (rate(onsale_jobs_total{@}[$__rate_interval]))', '{{queue}} {{outcome}}']],
  }),
  lines({
    title: '99 of 100 jobs take',
    says: 'By queue.',
    unit: 's',
    runbook: 'workers',
    queries: [
      ['histogram_quantile(0.99, sum by (le, queue) (rate(onsale_job_duration_seconds_bucket{@}[$__rate_interval])))', '{{queue}}'],
    ],
  }),
  lines({
    title: 'Dead letters',
    says: 'Work that was given up and waits for people, by queue.',
    unit: 'short',
    runbook: 'onsaledeadletters',
    thresholds: MUST_BE_ZERO,
    queries: [['max by (queue) (onsale_dead_letters{@})', '{{queue}}']],
  }),
  lines({
    title: 'Rounds of sweeps that failed',
    says: 'A sweep that fails goes on with its next round; many in a row are a store that is away, or a fault.',
    unit: 'short',
    runbook: 'onsalesweepfails',
    queries: [['sum by (sweep) (increase(onsale_sweep_failures_total{@}[$__rate_interval]))', '{{sweep}}']],
  }),
  lines({
    title: 'Reconcilers: what they found',
    says: 'found is all that differed, mended what was put right by itself, alerted what people must look at.',
    unit: 'short',
    runbook: 'onsalereconcilerfound',
    queries: [['sum by (name, outcome) (increase(onsale_reconciler_findings_total{@}[$__rate_interval]))', '{{name}} {{outcome}}']],
  }),
  lines({
    title: 'Reconcilers: rounds a second, and their age',
    says: 'How long ago the last good round of each was, and rounds that failed.',
    unit: 's',
    runbook: 'onsalereconcilerold',
    queries: [
      ['max by (name) (onsale_reconciler_good_age_seconds{@})', '{{name}} last good round'],
      ['sum by (name) (increase(onsale_reconciler_runs_total{@,result="failed"}[$__rate_interval]))', '{{name}} failed rounds'],
    ],
  }),
  lines({
    title: 'Sales called off, and draws',
    says: 'Orders that were met because their sale was called off, by what came of it; stuck wants people. And draws that were held.',
    unit: 'short',
    runbook: 'onsalecalledofforderstuck',
    queries: [
      ['sum by (outcome) (increase(onsale_called_off_orders_total{@}[$__rate_interval]))', 'called off: {{outcome}}'],
      ['sum by (attestation) (increase(onsale_draws_total{@}[$__rate_interval]))', 'draw: {{attestation}}'],
    ],
  }),
];

export const stores = dashboard({
  uid: 'onsale-stores',
  title: 'Onsale / Stores and workers',
  says: 'Redis, Postgres, Stripe and mail as our processes see them, and the work that is done behind the edge.',
  refresh: '10s',
  variables: ['job', 'instance', 'sale'],
  rows: [
    ['Is it well?', wellness],
    ['Redis', redis],
    ['Postgres', postgres],
    ['Stripe', stripe],
    ['Work', work],
    ['Processes', process],
  ],
});
