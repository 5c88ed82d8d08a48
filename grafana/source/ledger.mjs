/** *Ledger*: whether the books are right, how far behind what is made of them is, and what they say of the money. */

import { dashboard } from './dashboard.mjs';
import { MUST_BE_ZERO, above, lines, stat } from './panel.mjs';

const right = [
  stat({
    title: 'Oversold',
    says: 'Breaches of "a unit belongs to one buyer" and "the states add up to the capacity". Must be 0.',
    unit: 'short',
    runbook: 'onsaleoversold',
    width: 4,
    thresholds: MUST_BE_ZERO,
    queries: [['max(onsale_oversold_units{@})', 'breaches']],
  }),
  stat({
    title: 'Imbalance',
    says: 'Breaches of "every transfer sums to zero". Must be 0.',
    unit: 'short',
    runbook: 'onsaleledgerimbalance',
    width: 4,
    thresholds: MUST_BE_ZERO,
    queries: [['max(onsale_ledger_imbalance{@})', 'breaches']],
  }),
  stat({
    title: 'Broken invariants',
    says: 'Invariants that the running audit found broken, of all that it checks. Must be 0.',
    unit: 'short',
    runbook: 'onsaleinvariantbroken',
    width: 4,
    thresholds: MUST_BE_ZERO,
    queries: [['sum(max by (invariant) (onsale_invariant_breaches{@}) > bool 0)', 'invariants']],
  }),
  stat({
    title: 'Last audit',
    says: 'Since the running audit last came to its end and found nothing wrong. It looks every minute.',
    unit: 's',
    runbook: 'onsaleauditold',
    width: 4,
    thresholds: above(600, 180),
    queries: [['min(onsale_audit_good_age_seconds{@})', 'ago']],
  }),
  stat({
    title: 'Not sealed for',
    says: 'How long the oldest transfer that no block has sealed is there.',
    unit: 's',
    runbook: 'onsaleseallag',
    width: 4,
    thresholds: above(900, 60),
    queries: [['max(onsale_seal_lag_seconds{@})', 'behind']],
  }),
  stat({
    title: 'Not added up for',
    says: 'How long the oldest transfer waits that is not in the balances kept. Reads are exact all the same, only slower.',
    unit: 's',
    runbook: 'onsalebalanceslag',
    width: 4,
    thresholds: above(300, 30),
    queries: [['max(onsale_balances_lag_seconds{@})', 'behind']],
  }),
  lines({
    title: 'Breaches, by invariant',
    says: 'What the running audit found, by the number of the invariant in ARCHITECTURE.md.',
    unit: 'short',
    runbook: 'onsaleinvariantbroken',
    thresholds: MUST_BE_ZERO,
    queries: [['max by (invariant) (onsale_invariant_breaches{@})', '{{invariant}}']],
  }),
  lines({
    title: 'Age of the last audit',
    says: 'Since the running audit of any worker came to its end and found nothing wrong, as each of them shows it.',
    unit: 's',
    runbook: 'onsaleauditold',
    thresholds: above(600),
    queries: [['min by (instance) (onsale_audit_good_age_seconds{@})', '{{instance}}']],
  }),
  lines({
    title: 'Seals and balances behind',
    says: 'Both grow while no worker runs, or while a transaction somewhere in the cluster stays open.',
    unit: 's',
    runbook: 'onsaleseallag',
    queries: [
      ['max(onsale_seal_lag_seconds{@})', 'seals'],
      ['max(onsale_balances_lag_seconds{@})', 'balances'],
    ],
  }),
];

const money = [
  lines({
    title: 'Money taken',
    says: 'Captured, less what went back, is owed back or was lost in disputes, by sale and currency, in the smallest unit of the currency (cents).',
    unit: 'locale',
    runbook: 'the-books',
    queries: [['max by (sale, currency) (onsale_sales_amount_minor_units{@sale})', '{{sale}} {{currency}}']],
  }),
  lines({
    title: 'Seats, by state',
    says: 'The seats are in the books, too: what is ordered or sold here has an entry there, and an audit compares.',
    unit: 'short',
    runbook: 'onsaleoversold',
    stacked: true,
    queries: [['sum by (sale, state) (max by (sale, tier, state) (onsale_units{@sale}))', '{{sale}} {{state}}']],
  }),
  lines({
    title: 'Orders paid, and tickets issued, a second',
    says: 'A paid order has a ticket for each of its units, issued in the same call.',
    unit: 'ops',
    runbook: 'the-books',
    queries: [
      ['sum by (sale) (rate(onsale_orders_total{@sale,state="paid"}[$__rate_interval]))', '{{sale}} orders paid'],
      ['sum by (sale) (rate(onsale_tickets_issued_total{@sale}[$__rate_interval]))', '{{sale}} tickets'],
    ],
  }),
];

const outside = [
  lines({
    title: "Against Stripe's balance",
    says: "What comparing the books with Stripe's balance transactions found; alerted wants people.",
    unit: 'short',
    runbook: 'onsalereconcilerfound',
    queries: [
      [
        'sum by (outcome) (increase(onsale_reconciler_findings_total{@,name="stripe_balance"}[$__rate_interval]))',
        '{{outcome}}',
      ],
    ],
  }),
  lines({
    title: 'News of Stripe: arrived and waiting',
    says: 'Events that are stored and not applied: what they tell is not in the books yet.',
    unit: 'short',
    runbook: 'onsaleinboxstuck',
    queries: [['max(onsale_inbox_pending{@})', 'not applied']],
  }),
  lines({
    title: 'Set aside',
    says: 'Events and jobs that were given up: money or seats may be waiting for people.',
    unit: 'short',
    runbook: 'onsaledeadletters',
    thresholds: MUST_BE_ZERO,
    queries: [['max by (queue) (onsale_dead_letters{@})', '{{queue}}']],
  }),
];

export const ledger = dashboard({
  uid: 'onsale-ledger',
  title: 'Onsale / Ledger',
  says: 'Whether the books of money and seats are right, how far behind what is made of them is, and what they say.',
  refresh: '30s',
  variables: ['job', 'instance', 'sale'],
  rows: [
    ['Are the books right?', right],
    ['What they say', money],
    ['What comes from outside', outside],
  ],
});
