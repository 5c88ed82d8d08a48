/** *Sale*: what an organizer and an SRE look at together while people buy. */

import { dashboard } from './dashboard.mjs';
import { MUST_BE_ZERO, above, lines, shownAs, stat, timeline } from './panel.mjs';

const wellness = [
  stat({
    title: 'State',
    says: 'What visitors see of the sale: scheduled, prequeue, open, paused, sold_out, closed or cancelled.',
    unit: 'none',
    runbook: 'the-sale',
    textMode: 'name',
    queries: [['max by (sale, state) (onsale_sale_state{@sale}) == 1', '{{state}}']],
  }),
  stat({
    title: 'Doors',
    says: 'When the doors open or opened, from now.',
    unit: 'dateTimeFromNow',
    runbook: 'the-sale',
    queries: [['max by (sale) (onsale_sale_opens_timestamp_seconds{@sale} > 0) * 1000', '{{sale}}']],
  }),
  stat({
    title: 'Waiting',
    says: 'People in line who were heard of in the last seconds. Whoever is silent keeps the number and is not counted.',
    unit: 'short',
    runbook: 'onsalepacerstalled',
    queries: [['sum(max by (sale) (onsale_queue_waiting{@sale}))', 'waiting']],
  }),
  stat({
    title: 'Inside',
    says: 'Shoppers: people whose turn it is, those who did not use it yet included.',
    unit: 'short',
    runbook: 'the-sale',
    queries: [['sum(max by (sale) (onsale_shoppers{@sale}))', 'inside']],
  }),
  stat({
    title: 'Units free',
    says: 'Units that nobody ordered, as Postgres says. Those that somebody holds are among them.',
    unit: 'short',
    runbook: 'the-sale',
    queries: [['sum(max by (sale, tier) (onsale_units{@sale,state="free"}))', 'free']],
  }),
  stat({
    title: 'Units sold',
    says: 'Units that are paid for.',
    unit: 'short',
    runbook: 'the-sale',
    queries: [['sum(max by (sale, tier) (onsale_units{@sale,state="sold"}))', 'sold']],
  }),
  stat({
    title: 'Oversold',
    says: 'Breaches of "a unit belongs to one buyer" and "the states add up to the capacity". Must be 0; anything else is an emergency.',
    unit: 'short',
    runbook: 'onsaleoversold',
    thresholds: MUST_BE_ZERO,
    queries: [['max(onsale_oversold_units{@})', 'breaches']],
  }),
  stat({
    title: 'Imbalance',
    says: 'Breaches of "every transfer sums to zero". Must be 0; anything else is an emergency.',
    unit: 'short',
    runbook: 'onsaleledgerimbalance',
    thresholds: MUST_BE_ZERO,
    queries: [['max(onsale_ledger_imbalance{@})', 'breaches']],
  }),
  timeline({
    title: 'States',
    says: 'Each bar is a state that the sale was in. A sale that pauses itself shows below, at what stands still.',
    unit: 'none',
    runbook: 'the-sale',
    width: 12,
    thresholds: shownAs('purple'),
    queries: [['max by (sale, state) (onsale_sale_state{@sale})', '{{sale}} {{state}}']],
  }),
  timeline({
    title: 'What stands still, and why',
    says: 'A bar in red is a time in which nobody was let in: the organizer paused the sale, or Stripe or Postgres was away for longer than a bound.',
    unit: 'none',
    runbook: 'onsalestandstill',
    width: 12,
    thresholds: shownAs('red'),
    queries: [['max by (sale, reason) (onsale_standstill{@sale})', '{{sale}} {{reason}}']],
  }),
];

const line = [
  lines({
    title: 'In line and inside',
    says: 'People who wait and are there, and people inside. The line grows when more come than the rate lets in; that is what it is for.',
    unit: 'short',
    runbook: 'onsalepacerstalled',
    queries: [
      ['sum(max by (sale) (onsale_queue_waiting{@sale}))', 'waiting'],
      ['sum(max by (sale) (onsale_shoppers{@sale}))', 'inside'],
    ],
  }),
  lines({
    title: 'Turns a second, beside the rate',
    says: 'Turns given, the rate that the organizer set, and what trouble with payments leaves of it. Fewer turns than that are right while the cap of shoppers is reached or as many have an unused turn as units are free.',
    unit: 'ops',
    runbook: 'onsalenobodyadmitted',
    queries: [
      ['sum(rate(onsale_queue_admitted_total{@sale}[$__rate_interval]))', 'turns given'],
      ['sum(max by (sale) (onsale_admission_rate{@sale}))', 'rate as set'],
      [
        'sum(max by (sale) (onsale_admission_rate{@sale}) * max by (sale) (onsale_admission_factor{@sale}))',
        'rate as payments allow',
      ],
    ],
  }),
  lines({
    title: 'How long the line is in time',
    says: 'Those who wait, divided by the turns of the last minutes: about how long the last in line will wait if nothing changes.',
    unit: 's',
    runbook: 'the-sale',
    queries: [
      [
        `sum(max by (sale) (onsale_queue_waiting{@sale}))
           / (sum(rate(onsale_queue_admitted_total{@sale}[$__rate_interval])) > 0)`,
        'the last in line',
      ],
    ],
  }),
  lines({
    title: 'Joins a second, by what came of them',
    says: 'number: a new place; registration: a new entry before a draw; known: somebody who has a place already; else the code of the refusal.',
    unit: 'reqps',
    runbook: 'the-sale',
    stacked: true,
    queries: [['sum by (outcome) (rate(onsale_joins_total{@sale}[$__rate_interval]))', '{{outcome}}']],
  }),
  lines({
    title: 'Places',
    says: 'All places that were given, by where they are now.',
    unit: 'short',
    runbook: 'the-sale',
    stacked: true,
    queries: [['sum by (state) (max by (sale, state) (onsale_queue_places{@sale,state!="joined"}))', '{{state}}']],
  }),
  lines({
    title: 'What happened to places, a second',
    says: 'returned: heard of again; lapsed: a turn that nobody used; left; ended: the time inside was over; bypassed: let in past the line by the organizer.',
    unit: 'ops',
    runbook: 'the-sale',
    queries: [['sum by (kind) (rate(onsale_queue_events_total{@sale}[$__rate_interval]))', '{{kind}}']],
  }),
  lines({
    title: 'Share of the rate, and of no-shows',
    says: 'The share of the rate at which the line moves (1 when paying is well), and the share of turns that nobody uses, as admission reckons with it.',
    unit: 'percentunit',
    runbook: 'onsalepaymentsfail',
    max: 1,
    queries: [
      ['min by (sale) (onsale_admission_factor{@sale})', '{{sale}} rate'],
      ['max by (sale) (onsale_no_show_ratio{@sale})', '{{sale}} no-shows'],
    ],
  }),
  lines({
    title: 'Ticks a second',
    says: 'Rounds of admission that Redis answered, of all gateways. None while people wait means that nobody is let in.',
    unit: 'ops',
    runbook: 'onsalepacerstalled',
    queries: [['sum by (sale) (rate(onsale_admission_ticks_total{@sale}[$__rate_interval]))', '{{sale}}']],
  }),
  lines({
    title: 'Admission log behind',
    says: 'Age of the oldest line of the admission log that Postgres does not have. A turn is shown only when it does.',
    unit: 's',
    runbook: 'onsaleadmissionlogbehind',
    thresholds: above(10),
    queries: [['max by (sale) (onsale_admission_log_lag_seconds{@sale})', '{{sale}}']],
  }),
];

const seats = [
  lines({
    title: 'Units',
    says: 'Every unit by its state, as Postgres says. The height is the capacity and does not change but when the organizer adds to it.',
    unit: 'short',
    runbook: 'onsaleoversold',
    stacked: true,
    queries: [['sum by (state) (max by (sale, tier, state) (onsale_units{@sale}))', '{{state}}']],
  }),
  lines({
    title: 'Left, by tier',
    says: 'Units that nobody ordered, by tier.',
    unit: 'short',
    runbook: 'the-sale',
    queries: [['max by (sale, tier) (onsale_units{@sale,state="free"})', '{{tier}}']],
  }),
  lines({
    title: 'Sold out in',
    says: 'What is free, divided by the tickets issued a second: when the last unit goes if nothing changes. Nothing is shown while nothing is sold.',
    unit: 's',
    runbook: 'the-sale',
    queries: [
      [
        `sum(max by (sale, tier) (onsale_units{@sale,state="free"}))
           / (sum(rate(onsale_tickets_issued_total{@sale}[$__rate_interval])) > 0)`,
        'the last unit',
      ],
    ],
  }),
  lines({
    title: 'Holds a second, by answer',
    says: 'taken is a new hold; replayed the same request again; the others are refusals by their names. reclaiming: told to wait because Redis was lost.',
    unit: 'reqps',
    runbook: 'onsaleredisepochchanged',
    stacked: true,
    queries: [['sum by (outcome) (rate(onsale_holds_total{@sale}[$__rate_interval]))', '{{outcome}}']],
  }),
  lines({
    title: 'How long a hold lasts',
    says: 'The checkout window and what paying takes, as measured, between the bounds of the sale. At the upper bound buyers may run out of time while they pay.',
    unit: 's',
    runbook: 'onsaleholdttlatclamp',
    queries: [
      ['max by (sale) (onsale_hold_ttl_seconds{@sale})', '{{sale}}'],
      ['max by (sale) (onsale_hold_ttl_max_seconds{@sale})', '{{sale}} longest'],
      ['min by (sale) (onsale_hold_ttl_min_seconds{@sale})', '{{sale}} shortest'],
    ],
  }),
  lines({
    title: 'Holds whose units were not free',
    says: 'Redis had given units that Postgres did not have free. The buyer is told and offered others; Postgres has the last word.',
    unit: 'short',
    runbook: 'onsaleseatdisagreement',
    thresholds: MUST_BE_ZERO,
    queries: [['sum by (sale) (increase(onsale_seat_disagreements_total{@sale}[$__rate_interval]))', '{{sale}}']],
  }),
];

const paying = [
  lines({
    title: 'Orders a second, by state',
    says: 'Orders that reached a state. awaiting_payment is counted by gateways, the others by workers.',
    unit: 'ops',
    runbook: 'onsalepaymentsfail',
    queries: [['sum by (state) (rate(onsale_orders_total{@sale}[$__rate_interval]))', '{{state}}']],
  }),
  lines({
    title: 'Of a hundred holds, how many are paid',
    says: 'Orders paid, divided by holds taken, over the same minutes. It lags by the time people need to pay.',
    unit: 'percentunit',
    runbook: 'the-sale',
    max: 1,
    queries: [
      [
        `sum(rate(onsale_orders_total{@sale,state="paid"}[$__rate_interval]))
           / (sum(rate(onsale_holds_total{@sale,outcome="taken"}[$__rate_interval])) > 0)`,
        'paid',
      ],
    ],
  }),
  lines({
    title: 'Money taken',
    says: 'In the books: captured, less what went back, is owed back or was lost in disputes, by currency, in the smallest unit of the currency (cents).',
    unit: 'locale',
    runbook: 'the-books',
    queries: [['sum by (currency) (max by (sale, currency) (onsale_sales_amount_minor_units{@sale}))', '{{currency}}']],
  }),
  lines({
    title: 'From Pay pressed to authorised',
    says: 'Of the payments that were authorised. It is the bank, its question to the buyer, Stripe, and the way of the news to us.',
    unit: 's',
    runbook: 'onsalepaymentsfail',
    queries: [
      ['histogram_quantile(0.5, sum by (le) (rate(onsale_payment_latency_seconds_bucket{@}[$__rate_interval])))', 'p50'],
      ['histogram_quantile(0.99, sum by (le) (rate(onsale_payment_latency_seconds_bucket{@}[$__rate_interval])))', 'p99'],
      ['max by (sale) (onsale_payment_p99_seconds{@sale})', '{{sale}} p99 as holds reckon with it'],
    ],
  }),
  lines({
    title: 'Payment calls of the last seconds',
    says: 'As admission sees them, of all gateways: bad ones, and ones that take long, slow the line down.',
    unit: 'short',
    runbook: 'onsalepaymentsfail',
    queries: [
      ['sum by (outcome) (max by (sale, outcome) (onsale_payment_pulse_calls{@sale}))', '{{outcome}}'],
      ['max by (sale) (onsale_payment_authorisations{@sale})', '{{sale}} authorised in half an hour'],
    ],
  }),
  lines({
    title: 'Payment calls take',
    says: 'How long those calls took on average.',
    unit: 's',
    runbook: 'onsalepaymentsfail',
    queries: [['max by (sale) (onsale_payment_pulse_mean_seconds{@sale})', '{{sale}}']],
  }),
  lines({
    title: 'Tickets issued a second',
    says: 'One for each unit that is paid for.',
    unit: 'ops',
    runbook: 'onsalejobsold',
    queries: [['sum by (sale) (rate(onsale_tickets_issued_total{@sale}[$__rate_interval]))', '{{sale}}']],
  }),
  lines({
    title: 'Waitlist',
    says: 'Entries by where they are. Offers whose time ran out go to the next in line.',
    unit: 'short',
    runbook: 'the-sale',
    queries: [
      ['sum by (state) (max by (sale, state) (onsale_waitlist_entries{@sale}))', '{{state}}'],
      ['sum(increase(onsale_offers_lapsed_total{@}[$__rate_interval]))', 'offers lapsed'],
    ],
  }),
  lines({
    title: 'Scans at the door a second',
    says: 'By verdict; a scan that is sent again counts again.',
    unit: 'ops',
    runbook: 'the-sale',
    queries: [['sum by (verdict) (rate(onsale_checkins_total{@sale}[$__rate_interval]))', '{{verdict}}']],
  }),
];

export const sale = dashboard({
  uid: 'onsale-sale',
  title: 'Onsale / Sale',
  says: 'What an organizer and an SRE look at together while people buy: the line, the seats, the money, and whether all of it is right.',
  refresh: '5s',
  variables: ['job', 'instance', 'sale'],
  rows: [
    ['Is it well?', wellness],
    ['The line', line],
    ['Seats', seats],
    ['Paying, tickets, and what comes after', paying],
  ],
});
