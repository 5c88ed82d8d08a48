/**
 * The seats as a list: tier by tier, row by row, a box for each seat. For whoever finds that easier than a map.
 *
 * The boxes of a row are made when it is opened. A seat that cannot be had keeps its box, so that nothing moves and no focus
 * is lost; ticking it only says why not.
 */

import { element } from './page.js';
import { seatName } from './seat_plan.js';

/** @typedef {import('./seat_plan.js').Seat} Seat */
/** @typedef {import('./seat_plan.js').Row} Row */

/**
 * @typedef {object} ListHeard
 * @property {(seat: Seat) => void} press
 * @property {(seat: Seat) => string} describe
 * @property {(seat: Seat) => boolean} isChosen
 */

/** The list of one plan. */
export class SeatList {
  #list;
  #heard;
  /** @type {Map<Row, {tier: string, entry: HTMLDetailsElement}>} */
  #entries = new Map();

  /** @param {HTMLElement} list @param {ListHeard} heard */
  constructor(list, heard) {
    this.#list = list;
    this.#heard = heard;
  }

  /** Lists a plan. @param {import('./seat_plan.js').SeatedTier[]} tiers @param {(tier: string) => string} nameOf */
  show(tiers, nameOf) {
    const open = new Set([...this.#entries].filter(([, { entry }]) => entry.open).map(([{ row }, { tier }]) => `${tier} ${row}`));
    this.#entries.clear();
    this.#list.replaceChildren(...tiers.flatMap(({ tier, rows }) => [
      element('h3', {}, nameOf(tier)),
      ...rows.map((row) => this.#entry(tier, row, open.has(`${tier} ${row.row}`))),
    ]));
  }

  /** Shows what is so by now. @param {Row[]} [rows] all by default */
  update(rows = [...this.#entries.keys()]) {
    for (const row of rows) {
      const known = this.#entries.get(row);
      if (!known) continue;
      this.#count(known.entry, row);
      for (const box of known.entry.querySelectorAll('input')) this.#refresh(box, { tier: known.tier, row: row.row, number: Number(box.value) }, row);
    }
  }

  /** @param {string} tier @param {Row} row @param {boolean} isOpen */
  #entry(tier, row, isOpen) {
    const entry = /** @type {HTMLDetailsElement} */ (element('details', {}, element('summary', {}, '')));
    this.#entries.set(row, { tier, entry });
    this.#count(entry, row);
    entry.addEventListener('toggle', () => {
      if (entry.open && entry.childElementCount === 1) entry.append(this.#boxes(tier, row));
    });
    entry.open = isOpen;
    return entry;
  }

  /** @param {HTMLDetailsElement} entry @param {Row} row */
  #count(entry, row) {
    const free = row.states.filter((state) => state === 'f').length;
    const words = `Row ${row.row}: ${free === 0 ? 'nothing free' : `${free} free`}`;
    const summary = /** @type {HTMLElement} */ (entry.firstElementChild);
    if (summary.textContent !== words) summary.textContent = words;
  }

  /** @param {string} tier @param {Row} row */
  #boxes(tier, row) {
    return element('ul', { class: 'boxes' }, ...row.states.map((_, index) => {
      const seat = { tier, row: row.row, number: index + 1 };
      const box = /** @type {HTMLInputElement} */ (element('input', { type: 'checkbox', value: String(seat.number) }));
      this.#refresh(box, seat, row);
      // The box shows what is chosen, which pressing may not change.
      box.addEventListener('click', () => {
        this.#heard.press(seat);
        setTimeout(() => this.#refresh(box, seat, row));
      });
      return element('li', {}, element('label', {}, box, element('span', { 'aria-hidden': 'true' }, String(seat.number))));
    }));
  }

  /** @param {HTMLInputElement} box @param {Seat} seat @param {Row} row */
  #refresh(box, seat, row) {
    const state = row.states[seat.number - 1];
    box.checked = this.#heard.isChosen(seat);
    box.dataset.state = state;
    box.setAttribute('aria-disabled', String(state !== 'f' && !box.checked));
    box.setAttribute('aria-label', this.#heard.describe(seat));
    box.title = seatName(seat);
  }
}
