/**
 * The crowd of a rehearsal, drawn again: what one fan has in mind, by the same assumptions (docs/rehearsing.md has the table) and by
 * other means. No fan of the rehearsal is played: each is drawn anew, from the same distributions. Times are seconds of the sale.
 *
 * Pure: nothing of k6, so that it is tested by Node.
 */

const drawn = (random, share) => random() < share;

/** Around a median, with a long tail: the normal deviate is a sum of twelve (Irwin and Hall), cut at six deviations. */
function logNormal(random, median, sigma) {
  let deviate = -6;
  for (let draw = 0; draw < 12; draw += 1) deviate += random();
  return median * Math.exp(sigma * deviate);
}

/** One of several, each as likely as it weighs. */
function oneOf(random, weighted) {
  const all = weighted.reduce((sum, [, weight]) => sum + weight, 0);
  let left = random() * all;
  for (const [what, weight] of weighted) {
    left -= weight;
    if (left < 0) return what;
  }
  return weighted[0][0];
}

/** From the opening; before it when negative. */
function arrives(random, { before_share, before_s, after_s, second_wave_share, second_wave_at_s, second_wave_s }) {
  const wave = oneOf(random, [['before', before_share], ['second', second_wave_share], ['after', 1 - before_share - second_wave_share]]);
  if (wave === 'before') return -random() * before_s;
  return wave === 'second' ? second_wave_at_s + random() * second_wave_s : -Math.log(1 - random()) * after_s;
}

const halfToOneAndAHalf = (random, middle) => middle * (0.5 + random());

function device(random, { poll_share, mobile_share, silent_after_s, silent_for_s }) {
  const kind = oneOf(random, [['polls', poll_share], ['mobile', mobile_share], ['socket', 1 - poll_share - mobile_share]]);
  if (kind !== 'mobile') return { has_socket: kind === 'socket', silence: null };
  const silence = { after_s: halfToOneAndAHalf(random, silent_after_s), for_s: halfToOneAndAHalf(random, silent_for_s) };
  return { has_socket: true, silence };
}

/** How far it means to go. */
function aim(random, { looks_only_share, vanishes_share }, { choosing_share, form_share, paying_share, gives_back_share }) {
  const stays = oneOf(random, [['looks', looks_only_share], ['vanishes', vanishes_share], ['stays', 1 - looks_only_share - vanishes_share]]);
  if (stays !== 'stays') return stays;
  const goes = oneOf(random, [
    ['leaves_choosing', choosing_share], ['leaves_form', form_share], ['leaves_paying', paying_share],
    ['buys', 1 - choosing_share - form_share - paying_share],
  ]);
  if (goes !== 'leaves_form') return goes;
  return drawn(random, gives_back_share) ? 'gives_back' : 'lets_expire';
}

/** Tiers, the favourite first. */
function wishes(random, tiers, { tiers: named, flexible_share }) {
  const weights = new Map(named);
  const weighs = ({ id, units }) => (named.length === 0 ? units : (weights.get(id) ?? 0));
  const favourite = oneOf(random, tiers.map((tier) => [tier, weighs(tier)]));
  return drawn(random, flexible_share) ? [favourite, ...tiers.filter((tier) => tier !== favourite)] : [favourite];
}

/** What its bank says: `yes`, `no_then_yes`, `no`, or it asks, in the end or in vain. */
function bank(random, { declined_share, tries_again_share, three_ds_share, three_ds_failed_share }) {
  const says = oneOf(random, [['no', declined_share], ['asks', three_ds_share], ['yes', 1 - declined_share - three_ds_share]]);
  if (says === 'no') return drawn(random, tries_again_share) ? 'no_then_yes' : 'no';
  return says === 'asks' && drawn(random, three_ds_failed_share) ? 'asks_in_vain' : says;
}

/**
 * What one fan has in mind.
 * @param crowd of `rehearsed` in report.json, and @param sale of the same
 * @param {() => number} random from 0 up to, not including, 1
 */
export function planOf(crowd, sale, random = Math.random) {
  const { arrivals, devices, patience, abandons, thinking, payments } = crowd;
  const quantities = crowd.wishes.quantities.map((weight, index) => [index + 1, weight]);
  const takes = (median) => logNormal(random, median, thinking.sigma);
  return {
    arrives_s: arrives(random, arrivals),
    ...device(random, devices),
    aim: aim(random, patience, abandons),
    patience_s: logNormal(random, patience.waits_s, patience.sigma),
    quantity: Math.min(oneOf(random, quantities), sale.per_buyer_limit),
    tiers: wishes(random, sale.tiers, crowd.wishes),
    choosing_s: takes(thinking.choosing_s),
    form_s: takes(thinking.form_s),
    paying_s: takes(thinking.paying_s),
    bank: bank(random, payments),
    bank_s: logNormal(random, payments.three_ds_s, payments.sigma),
    jitter_s: random(),
  };
}
