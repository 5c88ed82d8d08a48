/**
 * The seats as a list: tier by tier, row by row, a box for each seat. For whoever finds that easier than a map.
 *
 * The boxes of a row are made when it is opened. A seat that cannot be had keeps its box, and a newer plan of the same rows
 * is shown in the same boxes, so that nothing moves and no focus is lost; ticking what cannot be had only says why not.
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

/**
 * @typedef {object} Entry
 * @property {string} tier
 * @property {Row} row as the newest plan has it
 * @property {HTMLDetailsElement} element
 */

/** The list of one plan, or of several of the same rows. */
export class SeatList {
  #list;
  #heard;
  /** @type {Map<Row, Entry>} */
  #entries = new Map();

  /** @param {HTMLElement} list @param {ListHeard} heard */
  constructor(list, heard) {
    this.#list = list;
    this.#heard = heard;
  }

  /** Lists a plan. @param {import('./seat_plan.js').SeatedTier[]} tiers @param {(tier: string) => string} nameOf */
  show(tiers, nameOf) {
    if (this.#isOf(tiers)) return this.#follow(tiers);
    const open = new Set([...this.#entries.values()].filter((entry) => entry.element.open).map(({ tier, row }) => `${tier} ${row.row}`));
    this.#entries.clear();
    this.#list.replaceChildren(...tiers.flatMap(({ tier, rows }) => [
      element('h3', {}, nameOf(tier)),
      ...rows.map((row) => this.#entry(tier, row, open.has(`${tier} ${row.row}`))),
    ]));
  }

  /** Shows what is so by now. @param {Row[]} [rows] all by default */
  update(rows = [...this.#entries.keys()]) {
    for (const row of rows) {
      const entry = this.#entries.get(row);
      if (!entry) continue;
      this.#count(entry);
      for (const box of entry.element.querySelectorAll('input')) this.#refresh(box, entry);
    }
  }

  /** Whether the list has the rows of these tiers. @param {import('./seat_plan.js').SeatedTier[]} tiers */
  #isOf(tiers) {
    const rows = tiers.flatMap((seated) => seated.rows.map((row) => ({ tier: seated.tier, row })));
    const entries = [...this.#entries.values()];
    return rows.length === entries.length && rows.every(({ tier, row }, index) => {
      const mine = entries[index];
      return mine.tier === tier && mine.row.row === row.row && mine.row.states.length === row.states.length;
    });
  }

  /** Goes on with a newer plan of the same rows. @param {import('./seat_plan.js').SeatedTier[]} tiers */
  #follow(tiers) {
    const entries = [...this.#entries.values()];
    tiers.flatMap(({ rows }) => rows).forEach((row, index) => { entries[index].row = row; });
    this.#entries = new Map(entries.map((entry) => [entry.row, entry]));
    this.update();
  }

  /** @param {string} tier @param {Row} row @param {boolean} isOpen */
  #entry(tier, row, isOpen) {
    const details = /** @type {HTMLDetailsElement} */ (element('details', {}, element('summary', {}, '')));
    const entry = { tier, row, element: details };
    this.#entries.set(row, entry);
    this.#count(entry);
    details.addEventListener('toggle', () => {
      if (details.open && details.childElementCount === 1) details.append(this.#boxes(entry));
    });
    details.open = isOpen;
    return details;
  }

  /** @param {Entry} entry */
  #count({ row, element: details }) {
    const free = row.states.filter((state) => state === 'f').length;
    const words = `Row ${row.row}: ${free === 0 ? 'nothing free' : `${free} free`}`;
    const summary = /** @type {HTMLElement} */ (details.firstElementChild);
    if (summary.textContent !== words) summary.textContent = words;
  }

  /** @param {Entry} entry */
  #boxes(entry) {
    return element('ul', { class: 'boxes' }, ...entry.row.states.map((_, index) => {
      const box = /** @type {HTMLInputElement} */ (element('input', { type: 'checkbox', value: String(index + 1) }));
      this.#refresh(box, entry);
      // The box shows what is chosen, which pressing may not change.
      box.addEventListener('click', () => {
        this.#heard.press(seatOf(box, entry));
        setTimeout(() => this.#refresh(box, entry));
      });
      return element('li', {}, element('label', {}, box, element('span', { 'aria-hidden': 'true' }, box.value)));
    }));
  }

  /** @param {HTMLInputElement} box @param {Entry} entry */
  #refresh(box, entry) {
    const seat = seatOf(box, entry);
    const state = entry.row.states[seat.number - 1];
    box.checked = this.#heard.isChosen(seat);
    box.dataset.state = state;
    box.setAttribute('aria-disabled', String(state !== 'f' && !box.checked));
    box.setAttribute('aria-label', this.#heard.describe(seat));
    box.title = seatName(seat);
  }
}

/** @param {HTMLInputElement} box @param {Entry} entry @returns {Seat} */
const seatOf = (box, { tier, row }) => ({ tier, row: row.row, number: Number(box.value) });
