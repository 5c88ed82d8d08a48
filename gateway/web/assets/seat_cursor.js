/**
 * Walking through the seats by keyboard, as through a grid (WAI-ARIA APG, grid): one seat has the focus, arrows move it.
 *
 * Only the seat that has the focus is an element. A step makes the next one and gives it the focus, so a screen reader says
 * it, and 50,000 seats cost nothing.
 *
 * | key | |
 * |-----|-|
 * | arrows | the next seat; from row to row, the closest |
 * | Home, End | the ends of the row; with Ctrl those of the hall |
 * | Page Up, Page Down | ten rows on |
 * | Space, Enter | chooses the seat, or takes it back |
 * | + and − | closer, and back |
 */

import { element } from './page.js';
import { middleOf } from './seat_layout.js';

const PAGE_ROWS = 10;
const ZOOM = 1.5;
/** With Ctrl, other keys are the browser's. */
const ENDS = new Set(['Home', 'End']);

/**
 * @typedef {import('./seat_plan.js').Seat} Seat
 * @typedef {object} CursorHeard
 * @property {(seat: Seat) => string} describe
 * @property {(seat: Seat) => boolean} isChosen
 * @property {(seat: Seat) => void} press
 * @property {(seat: Seat, middle: {x: number, y: number}) => void} moved
 * @property {(factor: number) => void} zoom
 */

/** The cursor of one grid. */
export class SeatCursor {
  #grid;
  #heard;
  /** @type {import('./seat_layout.js').SeatLayout | null} */
  #layout = null;
  #at = { place: 0, column: 0 };
  /** Where it was before rows of other lengths were crossed. */
  #x = 0;
  /** @type {HTMLElement | null} */
  #row = null;

  /** @param {HTMLElement} grid @param {CursorHeard} heard */
  constructor(grid, heard) {
    this.#grid = grid;
    this.#heard = heard;
    grid.addEventListener('keydown', (event) => this.#key(event));
    grid.addEventListener('focusin', () => this.#seat && this.#tell());
  }

  /** Walks through another drawing from now on, from the middle of its front. @param {import('./seat_layout.js').SeatLayout} layout */
  walk(layout) {
    const isSame = this.#layout?.places.length === layout.places.length;
    this.#layout = layout;
    this.#grid.setAttribute('aria-rowcount', String(layout.places.length));
    this.#grid.setAttribute('aria-colcount', String(layout.columns));
    if (!isSame) this.#at = { place: 0, column: Math.floor((layout.places[0]?.row.states.length ?? 0) / 2) };
    this.#x = this.#middle?.x ?? 0;
    this.#row = null;
    this.#make();
  }

  /** Goes to a seat that was pressed, without taking the focus. @param {Seat} seat */
  place(seat) {
    const place = this.#layout?.placeOf(seat);
    if (!place) return;
    this.#at = { place: place.index, column: seat.number - 1 };
    this.#x = this.#middle?.x ?? 0;
    this.#make();
  }

  /** Says of the seat what is so by now. */
  refresh() {
    const cell = this.#row?.firstElementChild;
    if (cell) this.#describe(cell);
  }

  get #place() {
    return this.#layout?.places[this.#at.place];
  }

  /** @returns {Seat | null} */
  get #seat() {
    const place = this.#place;
    return place ? { tier: place.tier, row: place.row.row, number: this.#at.column + 1 } : null;
  }

  get #middle() {
    const place = this.#place;
    return place && middleOf(place, this.#at.column);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const isFar = event.ctrlKey;
    if (event.altKey || event.metaKey || (isFar && !ENDS.has(event.key))) return;
    if (event.key === ' ' || event.key === 'Enter') this.#press();
    else if (event.key === '+' || event.key === '=') this.#heard.zoom(ZOOM);
    else if (event.key === '-') this.#heard.zoom(1 / ZOOM);
    else if (!this.#walk(event.key, isFar)) return;
    event.preventDefault();
  }

  #press() {
    const seat = this.#seat;
    if (seat) this.#heard.press(seat);
  }

  /** Whether it was a key to walk by. @param {string} key @param {boolean} isFar */
  #walk(key, isFar) {
    const last = (this.#layout?.places.length ?? 1) - 1;
    switch (key) {
      case 'ArrowLeft': return this.#toColumn(this.#at.column - 1);
      case 'ArrowRight': return this.#toColumn(this.#at.column + 1);
      case 'ArrowUp': return this.#toRow(this.#at.place - 1);
      case 'ArrowDown': return this.#toRow(this.#at.place + 1);
      case 'PageUp': return this.#toRow(this.#at.place - PAGE_ROWS);
      case 'PageDown': return this.#toRow(this.#at.place + PAGE_ROWS);
      case 'Home': return (!isFar || this.#toRow(0)) && this.#toColumn(0);
      case 'End': return (!isFar || this.#toRow(last)) && this.#toColumn(Infinity);
      default: return false;
    }
  }

  /** @param {number} column */
  #toColumn(column) {
    const last = (this.#place?.row.states.length ?? 1) - 1;
    this.#at.column = Math.min(last, Math.max(0, column));
    this.#x = this.#middle?.x ?? 0;
    return this.#step();
  }

  /** @param {number} index */
  #toRow(index) {
    const last = (this.#layout?.places.length ?? 1) - 1;
    this.#at.place = Math.min(last, Math.max(0, index));
    const place = this.#place;
    if (place && this.#layout) this.#at.column = this.#layout.columnNear(place, this.#x);
    return this.#step();
  }

  #step() {
    this.#make()?.focus({ preventScroll: true });
    return true;
  }

  #tell() {
    const [seat, middle] = [this.#seat, this.#middle];
    if (seat && middle) this.#heard.moved(seat, middle);
  }

  /** Makes the element of the seat, in place of the one there was. */
  #make() {
    const [layout, middle] = [this.#layout, this.#middle];
    if (!layout || !middle) return null;
    const cell = element('div', { role: 'gridcell', tabindex: '0', 'aria-colindex': String(this.#at.column + 1) });
    this.#describe(cell);
    const row = element('div', { role: 'row', class: 'cursor', 'aria-rowindex': String(this.#at.place + 1) }, cell);
    row.style.insetInlineStart = `${(middle.x / layout.width) * 100}%`;
    row.style.insetBlockStart = `${(middle.y / layout.height) * 100}%`;
    const before = this.#row;
    const hadFocus = before?.contains(document.activeElement);
    this.#grid.append(row);
    if (hadFocus) cell.focus({ preventScroll: true });
    before?.remove();
    this.#row = row;
    return cell;
  }

  /** @param {Element} cell */
  #describe(cell) {
    const seat = this.#seat;
    if (!seat) return;
    cell.setAttribute('aria-label', this.#heard.describe(seat));
    cell.setAttribute('aria-selected', String(this.#heard.isChosen(seat)));
  }
}
