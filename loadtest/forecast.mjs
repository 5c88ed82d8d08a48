/**
 * The forecast of a rehearsal beside a k6 run of the same sale: what k6's fans told, the figures it comes to, and how far they are off.
 *
 * A figure is promised when it is of the sale: when how much is sold, how long fans wait, how many are connected, how many turns that
 * takes. Such a figure may be off by [`OFF_MAX`]. Others are shown and not held against anybody: those that hang on a few
 * fans, or are the most of a number that goes up and down by chance. What is of the machine (processor, times of answers, requests a second) is left out: it is no forecast of another machine.
 */

/** How far off a promised figure may be, of the forecast. */
export const OFF_MAX = 0.1;
/** Both look at what is sold once a second, and a tick of admission is half of that: less is no difference. */
const GRAIN_S = 1;
/** Holds that run out decide over the last units. */
const PROMISED_SHARE_MAX = 0.95;

/** Endings of k6's fans, and those of the rehearsal that they stand for. */
const ENDINGS = {
  paid: ['bought'],
  sold_out: ['came_after_the_end', 'sold_out_while_waiting', 'nothing_left_of_what_they_wanted'],
  waiting: ['lost_patience'],
  left: ['only_looked', 'vanished', 'went_while_choosing', 'left_the_form', 'left_before_paying'],
  declined: ['declined'],
  expired: ['too_slow'],
};

/** What a line of k6's says: `{ story }` of a fan, `{ sold }` of the organizer; nothing for any other line. */
export function toldBy(line) {
  const [, quoted] = /msg=("(?:[^"\\]|\\.)*")/.exec(line) ?? [];
  const [, what, told] = /^(story|sold) (\{.*\})$/.exec(quoted ? JSON.parse(quoted) : '') ?? [];
  return what ? { [what]: JSON.parse(told) } : null;
}

/** The smallest of which so large a share is not larger, as a rehearsal has it; 0 of none. */
export function quantile(figures, share) {
  const sorted = [...figures].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/** The most that overlap; one that has no end lasts. */
export function peak(spans) {
  const turns = spans.flatMap(([from, to]) => [[from, 1], [to ?? Infinity, -1]]).sort(([a, up], [b, down]) => a - b || up - down);
  let [now, most] = [0, 0];
  for (const [, change] of turns) {
    now += change;
    most = Math.max(most, now);
  }
  return most;
}

/**
 * The figures that a run comes to.
 * @param {object[]} stories of the fans
 * @param {{at_s: number, units: number}[]} sold in the order of time
 * @param {number} units on sale
 */
export function figuresOf(stories, sold, units) {
  const sum = (of) => stories.reduce((all, story) => all + of(story), 0);
  const waits = stories.flatMap((story) => story.waits);
  const soldAfter = (share) => sold.find((look) => look.units >= share * units)?.at_s ?? null;
  const end_s = soldAfter(1) ?? sold.at(-1)?.at_s ?? 0;
  const paid_orders = stories.filter((story) => story.units > 0).length;
  return {
    units_sold: sold.at(-1)?.units ?? 0,
    soldAfter,
    soldAt: (after_s) => sold.findLast(({ at_s }) => at_s <= after_s)?.units ?? 0,
    wait: (share) => quantile(waits, share),
    sockets_peak: peak(stories.flatMap((story) => story.sockets)),
    shoppers_peak: peak(stories.flatMap((story) => story.inside)),
    turns: waits.length,
    holds: sum((story) => story.holds),
    orders: sum((story) => story.orders),
    paid_orders,
    fans_served_per_s: paid_orders / Math.max(end_s, 1),
    ended: (ending) => stories.filter((story) => story.ending === ending).length,
  };
}

const offOf = (forecast, k6) => (forecast === 0 ? (k6 === 0 ? 0 : Infinity) : (k6 - forecast) / forecast);

/** A figure of both; off when it was promised and is further away than may be. */
function row(name, forecast, k6, { isPromised, grain = 0 }) {
  const [one, other] = [forecast ?? null, k6 ?? null];
  if (one === null && other === null) return { name, forecast: one, k6: other, off: null, isPromised: false, isKept: true };
  const off = one === null || other === null ? null : offOf(one, other);
  const isNear = off !== null && (Math.abs(off) <= OFF_MAX || Math.abs(other - one) <= grain);
  return { name, forecast: one, k6: other, off, isPromised, isKept: isNear || !isPromised };
}

const PROMISED = { isPromised: true };
const SHOWN = { isPromised: false };
const percent = (share) => `${Math.round(share * 100)} %`;

/** Every figure of the forecast beside that of the run. @param report of the rehearsal @param seen of [`figuresOf`] */
export function compared({ counts, forecast, measured }, seen) {
  const { waiting, endings } = measured;
  const seconds = { ...PROMISED, grain: GRAIN_S };
  const sold = forecast.share_sold_after.map(({ share, after_s }) =>
    row(`${percent(share)} paid for after, s`, after_s, seen.soldAfter(share), share <= PROMISED_SHARE_MAX ? seconds : SHOWN));
  const points = forecast.paid_units_at.map(({ after_s, units }) => row(`units paid for after ${after_s} s`, units, seen.soldAt(after_s), SHOWN));
  const ended = Object.entries(ENDINGS).map(([ending, words]) =>
    row(`fans: ${ending.replace('_', ' ')}`, words.reduce((all, word) => all + (endings[word] ?? 0), 0), seen.ended(ending), SHOWN));
  return [
    row('units sold', counts.outcome.units_sold, seen.units_sold, PROMISED),
    ...sold,
    row('sold out after, s', forecast.sold_out_after_s, seen.soldAfter(1), SHOWN),
    row('fans served a second', forecast.fans_served_per_s, seen.fans_served_per_s, SHOWN),
    row('wait, median, s', waiting.p50_s, seen.wait(0.5), seconds),
    row('wait, 90 of 100, s', waiting.p90_s, seen.wait(0.9), seconds),
    row('wait, 99 of 100, s', waiting.p99_s, seen.wait(0.99), SHOWN),
    row('turns', measured.turns, seen.turns, PROMISED),
    row('holds', measured.holds, seen.holds, PROMISED),
    row('orders', measured.orders, seen.orders, PROMISED),
    row('paid orders', measured.paid_orders, seen.paid_orders, PROMISED),
    row('sockets at the peak', measured.sockets_peak, seen.sockets_peak, PROMISED),
    row('shoppers at the peak', measured.shoppers_peak, seen.shoppers_peak, SHOWN),
    ...points,
    ...ended,
  ];
}

/** Promised figures that are off, in words. */
export const brokenOf = (rows) =>
  rows.filter(({ isKept }) => !isKept).map(({ name, forecast, k6, off }) => `${name}: forecast ${figure(forecast)}, k6 ${figure(k6)}, ${offText(off)}`);

const figure = (value) => (value === null ? '–' : String(Math.round(value * 100) / 100));
const offText = (off) => (off === null ? '–' : `${off > 0 ? '+' : ''}${(off * 100).toFixed(1)} %`);

/** A table for people. */
export function tableOf(rows) {
  const cells = rows.map(({ name, forecast, k6, off, isPromised, isKept }) =>
    [name, figure(forecast), figure(k6), offText(off), isPromised ? (isKept ? 'kept' : 'OFF') : '']);
  const all = [['figure', 'forecast', 'k6', 'off by', `within ${percent(OFF_MAX)}`], ...cells];
  const widths = all[0].map((_, column) => Math.max(...all.map((line) => line[column].length)));
  return all.map((line) => line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join('  ').trimEnd()).join('\n');
}
