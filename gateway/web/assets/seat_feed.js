/**
 * Keeps the seat plan as it is at the server: fetched once, changed by what the live channel tells, fetched again where
 * something was missed. Where no channel gets through, it is asked for at each poll; unchanged, that costs a few bytes.
 *
 * Everybody inside is told at once that the map must be fetched again, and does it at random within a moment. The gateway
 * that answers may be a tick behind the one that told: a map older than what is known is not shown, and asked for once more.
 * So the plan never goes back.
 *
 * A change knows of all maps that the gateway which tells it has read. Another gateway may have read one between two of
 * those, and a seat that changed and changed back meanwhile is missing in the change: whoever may have such a map takes the
 * change and asks for the whole within some seconds. So does who was refused a seat that the map has free, and what was heard
 * of it is shown until then: a gateway that is a tick behind would tell at once that it is free.
 */

import { Problem, seatMapOf } from './api.js';
import { delayMs, pause } from './patience.js';
import { SeatPlan } from './seat_plan.js';

const SPREAD_MS = 400;
/** By then a gateway that was a tick behind, a fifth of a second, has caught up. */
const CAUGHT_UP_MS = 500;
/** When a map that may have missed a seat is asked for: soon enough for who chooses, and not by everybody at once. */
const CHECK_MIN_MS = 1000;
const CHECK_MAX_MS = 3000;
/** Changes that are kept while the map is on its way; with more, it is fetched once more. */
const KEPT_MAX = 100;
/** Versions that are remembered as told: some seconds of them, in which a map may be on its way. */
const TOLD_MAX = 100;

/**
 * @typedef {object} FeedHeard
 * @property {(plan: SeatPlan) => void} plan there is a new plan, with other rows maybe
 * @property {(rows: import('./seat_plan.js').Row[]) => void} changed rows of the plan changed
 * @property {(problem: Problem | null) => void} trouble it cannot be fetched, which is tried again; null when it was
 */

/** The feed of one sale. It does nothing until it is started. */
export class SeatFeed {
  #sale;
  #heard;
  /** @type {SeatPlan | null} */
  #plan = null;
  /** @type {import('./seat_plan.js').Delta[]} */
  #kept = [];
  #isRunning = false;
  /** @type {Promise<void> | null} */
  #fetching = null;
  #isPolled = false;
  /** Versions that the channel led to since it is there. @type {Set<string>} */
  #told = new Set();
  #isChecking = false;
  /** Whether the map that is on its way is asked for because the last one was too old. */
  #isOnceMore = false;

  /** @param {string} sale @param {FeedHeard} heard */
  constructor(sale, heard) {
    this.#sale = sale;
    this.#heard = heard;
  }

  /** From now on the plan is kept fresh. */
  start() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.refresh();
  }

  /** Nobody looks at it. */
  stop() {
    this.#isRunning = false;
    this.#kept = [];
    this.#isOnceMore = false;
  }

  /** How news comes: a poll asks for the plan too, and so does a channel that was down before. @param {'live' | 'polled' | 'none'} link */
  link(link) {
    const mayHaveMissed = link === 'polled' || (link === 'live' && this.#isPolled);
    this.#isPolled = link !== 'live';
    if (link !== 'live') this.#told.clear();
    if (mayHaveMissed && this.#isRunning) this.refresh();
  }

  /** What the channel tells. @param {import('./seat_plan.js').Delta} delta */
  hear(delta) {
    if (!this.#isRunning) return;
    this.#remember(delta.to);
    if (!this.#fetching && this.#plan && this.#apply(this.#plan, delta)) return;
    this.#keep(delta);
    if (this.#plan) this.#fetching ??= this.#fetch(Math.random() * SPREAD_MS);
  }

  /** Fetches the plan if it changed, once at a time; resolved when that is done. */
  refresh() {
    this.#fetching ??= this.#fetch(0);
    return this.#fetching;
  }

  /** Asks for the map in a while, once for all that may have missed something until then. */
  async check() {
    if (this.#isChecking) return;
    this.#isChecking = true;
    await pause(CHECK_MIN_MS + Math.random() * (CHECK_MAX_MS - CHECK_MIN_MS));
    this.#isChecking = false;
    if (this.#isRunning) this.refresh();
  }

  /** What the server says somebody else has, before any map does. @param {import('./seat_plan.js').Seat[]} seats */
  hearTaken(seats) {
    const rows = this.#plan?.take(seats) ?? [];
    if (rows.length > 0) this.#heard.changed(rows);
    this.check();
  }

  /** @param {import('./seat_plan.js').Delta} delta */
  #keep(delta) {
    this.#kept.push(delta);
    if (this.#kept.length > KEPT_MAX) this.#kept = [{ from: null, to: delta.to, changes: null }];
  }

  /** @param {SeatPlan} plan @param {import('./seat_plan.js').Delta} delta @returns {boolean} whether nothing is missing between */
  #apply(plan, delta) {
    const mayMiss = plan.isWithin(delta) && !this.#told.has(plan.version);
    const rows = plan.apply(delta);
    if (rows !== null && rows.length > 0) this.#heard.changed(rows);
    if (mayMiss) this.check();
    return rows !== null;
  }

  /** @param {string} version */
  #remember(version) {
    this.#told.add(version);
    if (this.#told.size > TOLD_MAX) this.#told = new Set([...this.#told].slice(1));
  }

  /** @param {number} afterMs */
  async #fetch(afterMs) {
    await pause(afterMs);
    for (let failures = 0; this.#isRunning;) {
      try {
        const answer = await seatMapOf(this.#sale, this.#plan?.etag ?? '');
        this.#fetching = null;
        return this.#fetched(answer ? new SeatPlan(answer) : null);
      } catch (failure) {
        failures += 1;
        this.#heard.trouble(failure instanceof Problem ? failure : new Problem({ code: 'unreadable' }));
        await pause(delayMs(failures, failure instanceof Problem ? failure.retryAfterMs : 0));
      }
    }
    this.#fetching = null;
    return undefined;
  }

  /** Tells the plan, when it is a later one, and applies what was heard while it was on its way. @param {SeatPlan | null} fresh */
  #fetched(fresh) {
    if (!this.#isRunning) return;
    this.#heard.trouble(null);
    const isOld = fresh !== null && this.#plan !== null && fresh.isOlderThan(this.#plan);
    if (fresh && !isOld) {
      this.#plan = fresh;
      this.#heard.plan(fresh);
    }
    const isBehind = !this.#catchUp() || isOld;
    this.#isOnceMore = isBehind && !this.#isOnceMore;
    if (this.#isOnceMore) this.#fetching ??= this.#fetch(CAUGHT_UP_MS + Math.random() * SPREAD_MS);
    else this.#kept = [];
  }

  /** Applies what was kept, as far as nothing is missing between. @returns {boolean} whether that was all */
  #catchUp() {
    const missing = this.#kept.findIndex((delta) => !this.#plan || !this.#apply(this.#plan, delta));
    this.#kept = missing < 0 ? [] : this.#kept.slice(missing);
    return missing < 0;
  }
}
