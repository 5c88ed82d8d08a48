/**
 * Choosing seats by name: the map, the list beside it, and what is chosen; all three show the same plan and the same choice.
 *
 * Nobody holds a seat by choosing it. One that somebody else takes meanwhile is given up, said so, and the others stay.
 */

import { inWords } from './money.js';
import { element, part, say } from './page.js';
import { sentenceFor } from './problems.js';
import { SeatChoice } from './seat_choice.js';
import { SeatFeed } from './seat_feed.js';
import { SeatList } from './seat_list.js';
import { SeatMap } from './seat_map.js';
import { seatName, seatNamed } from './seat_plan.js';
import { seatsInWords } from './seat_words.js';

const ZOOM = 1.5;
/** What is given back, or lost, is free for everybody within a second; the map may be a little later. */
const RETURN_MS = 3_000;
/** @type {Record<import('./seat_plan.js').State, string>} */
const STATES = { f: 'free', h: 'in someone’s basket, may come back', s: 'not available' };

/**
 * @typedef {import('./seat_plan.js').Seat} Seat
 * @typedef {import('./prices.js').Tier} Tier
 * @typedef {object} PickerHeard
 * @property {(tier: string) => number} roomIn how many more may be chosen of a tier
 * @property {() => void} changed the choice changed
 */

/** The picker of one sale. */
export class SeatPicker {
  #tiers;
  #heard;
  #choice;
  #feed;
  #map;
  #list;
  /** @type {import('./seat_plan.js').SeatPlan | null} */
  #plan = null;
  /** What the list shows; it is made when it is first looked at. @type {import('./seat_plan.js').SeatPlan | null} */
  #listed = null;
  /** Whether what is chosen is on its way to be held, so that it changes by our own doing. */
  #isTaking = false;
  /** The seats that are listed as chosen. */
  #chosenNames = '';
  /** Until when what was held before may still look held. */
  #returnedUntil = 0;

  /** @param {{id: string, tiers: Tier[]}} sale @param {PickerHeard} heard */
  constructor(sale, heard) {
    this.#tiers = new Map(sale.tiers.map((tier) => [tier.id, tier]));
    this.#heard = heard;
    this.#choice = new SeatChoice(heard.roomIn);
    this.#feed = new SeatFeed(sale.id, {
      plan: (plan) => this.#showPlan(plan),
      changed: (rows) => this.#changed(rows),
      trouble: (problem) => say('seat-trouble', problem ? sentenceFor(problem) : ''),
    });
    const heardOf = {
      press: (/** @type {Seat} */ seat) => this.#press(seat),
      describe: (/** @type {Seat} */ seat) => this.#describe(seat),
      isChosen: (/** @type {Seat} */ seat) => this.#choice.has(seat),
    };
    this.#map = new SeatMap(part('map'), part('map-canvas'), {
      ...heardOf,
      look: (seat) => { part('seat-told').textContent = seat ? this.#describe(seat) : ''; },
      closer: () => this.#news('Closer now: press a seat to choose it.'),
    });
    this.#list = new SeatList(part('seat-list'), heardOf);
    this.#listen();
  }

  /** Keeps the plan fresh while it is looked at. @param {boolean} isLookedAt */
  follow(isLookedAt) {
    if (isLookedAt) this.#feed.start();
    else this.#feed.stop();
  }

  /** @param {import('./seat_plan.js').Delta} delta */
  hear(delta) {
    this.#feed.hear(delta);
  }

  /** @param {'live' | 'polled' | 'none'} link */
  link(link) {
    this.#feed.link(link);
  }

  /** How many are chosen. */
  get count() {
    return this.#choice.count();
  }

  /** @param {string} tier */
  countOf(tier) {
    return this.#choice.count(tier);
  }

  /** The names of the seats chosen in a tier. @param {string} tier */
  namesOf(tier) {
    return this.#choice.namesOf(tier);
  }

  /** Chooses these seats, in place of those chosen in their tier. @param {string} tier @param {string[]} names */
  choose(tier, names) {
    this.#choice.drop((seat) => seat.tier === tier);
    this.#choice.add(names.map((name) => seatNamed(tier, name)));
    this.#showChoice();
    this.#dropGone();
  }

  /** Chooses again what was held until now; on the map it becomes free in a moment. @param {string} tier @param {string[]} names */
  chooseAgain(tier, names) {
    this.#returnedUntil = Date.now() + RETURN_MS;
    setTimeout(() => this.#dropGone(), RETURN_MS);
    this.choose(tier, names);
  }

  /** Takes the choice of some back that were refused, and shows them as taken. @param {string} tier @param {string[]} names @returns {string} what went, in words */
  giveUp(tier, names) {
    const gone = this.#choice.drop((seat) => seat.tier === tier && names.includes(seatName(seat)));
    this.#feed.hearTaken(gone);
    this.#showChoice();
    return seatsInWords(gone.map(seatName));
  }

  /** What is chosen is being taken; whatever is heard of it meanwhile is our own doing. @template T @param {() => Promise<T>} work */
  async whileTaking(work) {
    this.#isTaking = true;
    this.#news('');
    try {
      const taken = await work();
      this.#choice.clear();
      this.#showChoice();
      return taken;
    } catch (failure) {
      this.#feed.check();
      throw failure;
    } finally {
      this.#isTaking = false;
    }
  }

  /** @param {import('./seat_plan.js').SeatPlan} plan */
  #showPlan(plan) {
    this.#plan = plan;
    this.#map.show(plan.tiers, (tier) => `${this.#nameOf(tier)} · ${this.#priceOf(tier)}`);
    this.#showList();
    this.#showChoice();
    this.#dropGone();
  }

  /** @param {import('./seat_plan.js').Row[]} rows */
  #changed(rows) {
    this.#map.update(rows);
    if (this.#listed === this.#plan) this.#list.update(rows);
    this.#dropGone();
  }

  #showList() {
    if (part('seat-list').hidden || !this.#plan || this.#listed === this.#plan) return;
    this.#listed = this.#plan;
    this.#list.show(this.#plan.tiers, (tier) => this.#nameOf(tier));
  }

  /** Gives up what somebody else has by now. */
  #dropGone() {
    const plan = this.#plan;
    if (!plan || this.#isTaking) return;
    const isReturning = Date.now() < this.#returnedUntil;
    const gone = this.#choice.drop((seat) => !(plan.state(seat) === 'f' || (isReturning && plan.state(seat) === 'h'))).map(seatName);
    if (gone.length === 0) return;
    const rest = this.count > 0 ? `Still chosen: ${seatsInWords(this.#choice.seats.map(seatName))}.` : 'Please choose again.';
    this.#news(`${seatsInWords(gone)} ${gone.length === 1 ? 'was' : 'were'} just taken by someone else. ${rest}`);
    this.#showChoice();
  }

  /** @param {Seat} seat */
  #press(seat) {
    const state = this.#plan?.state(seat) ?? 's';
    if (state !== 'f' && !this.#choice.has(seat)) return this.#news(`${seatName(seat)} is ${STATES[state]}.`);
    const done = this.#choice.toggle(seat);
    if (done === 'limit') return this.#news('That is as many as one buyer may have. Take a seat back to choose another.');
    this.#showChoice();
    part('seat-told').textContent = this.#describe(seat);
    return this.#news(`${seatName(seat)} ${done === 'chosen' ? 'chosen' : 'taken back'}. ${this.count} chosen in all.`);
  }

  #showChoice() {
    const { seats } = this.#choice;
    this.#map.mark(seats);
    if (this.#listed) this.#list.update();
    this.#listChosen(seats);
    part('none-chosen').hidden = seats.length > 0;
    this.#heard.changed();
  }

  /** What is chosen stays where it is, and its buttons keep the focus, while it is the same. @param {Seat[]} seats */
  #listChosen(seats) {
    const names = seats.map((seat) => `${seat.tier} ${seatName(seat)}`).join('\n');
    if (names === this.#chosenNames) return;
    this.#chosenNames = names;
    part('chosen').replaceChildren(...seats.map((seat) => this.#entry(seat)));
  }

  /** @param {Seat} seat */
  #entry(seat) {
    const { tier } = seat;
    const button = element('button', { type: 'button', class: 'quiet', 'aria-label': `Take back ${this.#nameOf(tier)} ${seatName(seat)}` }, '×');
    button.addEventListener('click', () => {
      this.#press(seat);
      (part('chosen').querySelector('button') ?? part('chosen-title')).focus();
    });
    return element('li', {}, element('span', {}, element('strong', {}, seatName(seat)), ` ${this.#nameOf(tier)}`),
      element('span', { class: 'price' }, this.#priceOf(tier)), button);
  }

  /** @param {Seat} seat */
  #describe(seat) {
    const state = this.#choice.has(seat) ? 'chosen by you' : STATES[this.#plan?.state(seat) ?? 's'];
    return `${this.#nameOf(seat.tier)}, row ${seat.row}, seat ${seat.number}, ${this.#priceOf(seat.tier)}, ${state}`;
  }

  /** @param {string} tier */
  #nameOf(tier) {
    return this.#tiers.get(tier)?.name ?? tier;
  }

  /** @param {string} tier */
  #priceOf(tier) {
    const price = this.#tiers.get(tier)?.price.total;
    return price ? inWords(price) : '';
  }

  /** @param {string} text */
  #news(text) {
    say('seat-news', text);
  }

  #listen() {
    part('zoom-in').addEventListener('click', () => this.#map.zoom(ZOOM));
    part('zoom-out').addEventListener('click', () => this.#map.zoom(1 / ZOOM));
    part('zoom-all').addEventListener('click', () => this.#map.fit());
    part('shown-as').addEventListener('change', () => {
      const isList = /** @type {HTMLInputElement} */ (part('as-list')).checked;
      part('map-side').hidden = isList;
      part('zooms').hidden = isList;
      part('seat-list').hidden = !isList;
      this.#showList();
    });
  }
}
