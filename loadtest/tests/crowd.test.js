/** The crowd that is drawn again has the shares and times of the assumptions. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { planOf } from '../lib/crowd.js';

const FANS = 20_000;
const CROWD = {
  arrivals: { before_share: 0.6, before_s: 60, after_s: 45, second_wave_share: 0.1, second_wave_at_s: 120, second_wave_s: 30 },
  devices: { poll_share: 0.15, mobile_share: 0.2, silent_after_s: 30, silent_for_s: 40 },
  patience: { looks_only_share: 0.05, vanishes_share: 0.1, waits_s: 2_400, sigma: 0.7 },
  wishes: { quantities: [0.25, 0.5, 0, 0.25], tiers: [], flexible_share: 0.8 },
  thinking: { choosing_s: 12, form_s: 40, paying_s: 20, sigma: 0.4 },
  abandons: { choosing_share: 0.05, form_share: 0.1, paying_share: 0.15, gives_back_share: 0.25 },
  payments: { declined_share: 0.2, tries_again_share: 0.7, three_ds_share: 0.3, three_ds_s: 15, three_ds_failed_share: 0.1, sigma: 0.4 },
  faults: [],
};
const SALE = { per_buyer_limit: 3, tiers: [{ id: 'floor', units: 300, seated: false }, { id: 'balcony', units: 100, seated: true }] };

/** Repeatable (Park and Miller). */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

const crowdOf = (crowd, sale = SALE, size = FANS) => {
  const random = randomOf(7);
  return Array.from({ length: size }, () => planOf(crowd, sale, random));
};
const plans = crowdOf(CROWD);
/** Five deviations of a share of so many. */
const isShare = (of, what, share, among = plans) => {
  const seen = among.filter(of).length / among.length;
  assert.ok(Math.abs(seen - share) < 5 * Math.sqrt(0.25 / among.length), `${what}: ${seen} instead of ${share}`);
};
const quantile = (figures, share) => figures.sort((a, b) => a - b)[Math.floor(share * figures.length)];
const isNear = (seen, wanted, what) => assert.ok(Math.abs(seen / wanted - 1) < 0.06, `${what}: ${seen} instead of ${wanted}`);

test('shares are those of the crowd', () => {
  isShare((plan) => plan.arrives_s < 0, 'before', 0.6);
  isShare((plan) => plan.arrives_s >= 120 && plan.arrives_s <= 150, 'second wave, and a few of the others', 0.1 + 0.3 * (Math.exp(-120 / 45) - Math.exp(-150 / 45)));
  isShare((plan) => !plan.has_socket, 'polls', 0.15);
  isShare((plan) => plan.silence !== null, 'mobile', 0.2);
  const aims = { looks: 0.05, vanishes: 0.1, leaves_choosing: 0.85 * 0.05, gives_back: 0.85 * 0.025, lets_expire: 0.85 * 0.075, leaves_paying: 0.85 * 0.15, buys: 0.85 * 0.7 };
  for (const [aim, share] of Object.entries(aims)) isShare((plan) => plan.aim === aim, aim, share);
  const banks = { yes: 0.5, no: 0.06, no_then_yes: 0.14, asks: 0.27, asks_in_vain: 0.03 };
  for (const [bank, share] of Object.entries(banks)) isShare((plan) => plan.bank === bank, bank, share);
});

test('times have the medians and the widths of the crowd', () => {
  const times = { patience_s: [2_400, 0.7], choosing_s: [12, 0.4], form_s: [40, 0.4], paying_s: [20, 0.4], bank_s: [15, 0.4] };
  for (const [name, [median, sigma]] of Object.entries(times)) {
    const seen = plans.map((plan) => plan[name]);
    isNear(quantile(seen, 0.5), median, name);
    isNear(quantile(seen, 0.9), median * Math.exp(1.2816 * sigma), `${name}, 90 of 100`);
  }
  const after = plans.map((plan) => plan.arrives_s).filter((at) => at >= 0 && at < 120);
  isNear(quantile(after, 0.5), -45 * Math.log(1 - (1 - Math.exp(-120 / 45)) / 2), 'after the opening');
  const silences = plans.filter((plan) => plan.silence).map(({ silence }) => silence.after_s);
  assert.ok(Math.min(...silences) >= 15 && Math.max(...silences) <= 45);
});

test('what is wanted is what the sale has, as much as one may have', () => {
  isShare((plan) => plan.quantity === 3, 'three, of who wants four', 0.25);
  assert.ok(plans.every(({ quantity }) => [1, 2, 3].includes(quantity)));
  isShare((plan) => plan.tiers[0].id === 'floor', 'as many as a tier has units', 0.75);
  isShare((plan) => plan.tiers.length === 2, 'flexible', 0.8);
  const named = crowdOf({ ...CROWD, wishes: { ...CROWD.wishes, tiers: [['balcony', 2]] } }, SALE, 200);
  assert.ok(named.every(({ tiers }) => tiers[0].id === 'balcony'), 'with weights for some, the others are nobody’s favourite');
});
