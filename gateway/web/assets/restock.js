/**
 * Waiting for tickets that others have in their baskets: the person stays, and the page says when as many are free as were
 * wished for, or that they are gone for good.
 *
 * What is left comes with every position, live or polled; nothing more is asked of the server for it. How many of the units
 * in baskets are ordered in the end nobody knows: whoever wishes for more than will ever be free is told how many there are
 * meanwhile, and may wish for fewer.
 */

import { part, say } from './page.js';

/** What is heard so soon after a refusal may be older than the refusal. */
const OLDER_MS = 1_500;
const STAY = 'Stay here: this page tells you at once, and your turn goes on.';
const ALL_HELD = `Every one of these tickets is in someone’s basket right now. Some usually come back within minutes. ${STAY}`;
const TOO_MANY_HELD = `Not as many tickets as you chose are free: the rest is in someone’s basket right now, and some usually come back within minutes. ${STAY} Or choose fewer.`;

/** @typedef {import('./prices.js').Tier} Tier */
/** @typedef {{tier: string, quantity: number}} Wish */

/** How many of a tier are free, as far as is told. @param {Tier | undefined} tier */
export function freeOf(tier) {
  const { level, remaining } = tier?.availability ?? {};
  if (level === undefined || level === 'none' || level === 'all_held') return 0;
  return remaining ?? Infinity;
}

/** Whether nothing of a tier comes back to this part of the sale, as far as is known. @param {Tier | undefined} tier */
export const isGone = (tier) => tier?.availability?.level === 'none';

/** The wait of one page. */
export class Restock {
  /** Any of these would do, each of them whole. @type {Wish[][]} */
  #ways = [];
  #since = 0;
  #timer = 0;
  /** @type {Tier[]} */
  #tiers = [];
  #changed;

  /** @param {(isWaiting: boolean) => void} changed told when it begins and when it ends */
  constructor(changed) {
    this.#changed = changed;
  }

  get isWaiting() {
    return this.#ways.length > 0;
  }

  /** Waits until all of one of these ways is free; there is nothing to wait for without one. @param {Wish[][]} ways */
  waitFor(ways) {
    if (ways.length === 0) return this.stop();
    this.#ways = ways;
    this.#since = Date.now();
    part('restock').toggleAttribute('data-free', false);
    say('restock', isForOne(ways) ? ALL_HELD : TOO_MANY_HELD);
    this.#changed(true);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(this.#tiers), OLDER_MS);
  }

  /** Goes on waiting, for these: of what was waited for, something is gone, or something else came into baskets. @param {Wish[][]} ways */
  waitOnFor(ways) {
    if (ways.length === 0) return this.stop();
    this.#ways = ways;
  }

  /** Something else is chosen, or the turn is over. */
  stop() {
    say('restock', '');
    this.#end();
  }

  /** Hears what is left. @param {Tier[]} tiers */
  refresh(tiers) {
    this.#tiers = tiers;
    if (!this.isWaiting || Date.now() - this.#since < OLDER_MS) return;
    const open = this.#ways.map((way) => way.filter(({ tier }) => !isGone(this.#tierOf(tier)))).filter((way) => way.length > 0);
    if (open.length === 0) return this.#tellGone();
    this.#ways = open;
    const free = open.filter((way) => way.every((wish) => this.#freeFor(wish) >= wish.quantity));
    return free.length > 0 ? this.#tellFree(free.flat()) : this.#tellWait(open);
  }

  #tellGone() {
    const gone = this.#ways.flat().map(({ tier }) => this.#tierOf(tier)?.name ?? tier);
    this.#end();
    say('restock', `Sold out by now: ${gone.join(', ')}. What was in baskets has been ordered.`);
  }

  /** @param {Wish[]} wishes */
  #tellFree(wishes) {
    const free = wishes.map((wish) => this.#freeInWords(wish)).join(', ');
    this.#end();
    part('restock').toggleAttribute('data-free', true);
    say('restock', `Free again: ${free}. Hold them now if you want them.`);
  }

  /** @param {Wish[][]} ways */
  #tellWait(ways) {
    const some = ways.flat().filter((wish) => this.#freeFor(wish) > 0);
    if (some.length === 0) return say('restock', isForOne(ways) ? ALL_HELD : TOO_MANY_HELD);
    const free = some.map((wish) => this.#freeInWords(wish)).join(', ');
    const wished = ways.flat().map((wish) => this.#inWords(wish.quantity, wish)).join(', ');
    return say('restock', `Free right now: ${free}. You chose ${wished}. Choose fewer to hold them now. Or stay here: more may come back, and this page tells you when all of yours are free.`);
  }

  /** @param {string} tier */
  #tierOf(tier) {
    return this.#tiers.find(({ id }) => id === tier);
  }

  /** @param {Wish} wish */
  #freeFor({ tier }) {
    return freeOf(this.#tierOf(tier));
  }

  /** @param {Wish} wish */
  #freeInWords(wish) {
    return this.#inWords(this.#freeFor(wish), wish);
  }

  /** @param {number} quantity @param {Wish} wish */
  #inWords(quantity, { tier }) {
    const name = this.#tierOf(tier)?.name ?? tier;
    return quantity === Infinity ? name : `${quantity} × ${name}`;
  }

  #end() {
    clearTimeout(this.#timer);
    if (!this.isWaiting) return;
    this.#ways = [];
    this.#changed(false);
  }
}

/** Whether a single ticket would do. @param {Wish[][]} ways */
const isForOne = (ways) => ways.some((way) => way.length === 1 && way[0].quantity === 1);
