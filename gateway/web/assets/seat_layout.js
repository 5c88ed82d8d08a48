/**
 * Where each seat is drawn: tiers below one another, the front on top, each row centred, its seats from left to right.
 *
 * Made from the rows alone; nothing is known of a hall but its order. In units of the drawing, of which a seat and its gap
 * take {@link PITCH}.
 */

/** From the middle of one seat to that of the next. */
export const PITCH = 10;
const ROW_PITCH = 12;
/** Room for the names of rows at both ends. */
const MARGIN = 26;
/** Room above a tier for its name: so much, and so much of the width, because names do not shrink with the drawing. */
const HEADING_MIN = 24;
const HEADING_OF_WIDTH = 0.075;

/**
 * @typedef {import('./seat_plan.js').Row} Row
 * @typedef {{tier: string, row: Row, index: number, left: number, y: number}} Place a row, `left` the middle of its first seat
 */

/** The drawing of one plan. */
export class SeatLayout {
  /** @type {Place[]} */
  places = [];
  /** @type {Map<Row, Place>} */
  #byRow;
  /** @type {{tier: string, y: number}[]} */
  headings = [];
  width;
  height;
  /** The most seats in a row. */
  columns;

  /** @param {import('./seat_plan.js').SeatedTier[]} tiers */
  constructor(tiers) {
    this.columns = tiers.reduce((most, { rows }) => rows.reduce((max, { states }) => Math.max(max, states.length), most), 1);
    this.width = this.columns * PITCH + 2 * MARGIN;
    const heading = Math.max(HEADING_MIN, this.width * HEADING_OF_WIDTH);
    let y = 0;
    for (const { tier, rows } of tiers) {
      this.headings.push({ tier, y: y + heading / 2 });
      y += heading;
      for (const row of rows) {
        const left = (this.width - (row.states.length - 1) * PITCH) / 2;
        this.places.push({ tier, row, index: this.places.length, left, y: y + ROW_PITCH / 2 });
        y += ROW_PITCH;
      }
    }
    this.height = y + MARGIN / 2;
    this.#byRow = new Map(this.places.map((place) => [place.row, place]));
  }

  /** Whether both are drawn alike, whatever the states of their seats. @param {SeatLayout} other */
  isLike(other) {
    return other.places.length === this.places.length && other.places.every(({ tier, row }, index) => {
      const mine = this.places[index];
      return mine.tier === tier && mine.row.row === row.row && mine.row.states.length === row.states.length;
    });
  }

  /** The seat under a point, and its place; null between seats. @param {number} x @param {number} y */
  at(x, y) {
    const place = this.#nearest(y);
    if (!place || Math.abs(place.y - y) > ROW_PITCH / 2) return null;
    const column = Math.round((x - place.left) / PITCH);
    return column >= 0 && column < place.row.states.length ? { place, column } : null;
  }

  /** The column of a row that is closest to a point. @param {Place} place @param {number} x */
  columnNear({ left, row }, x) {
    return Math.min(row.states.length - 1, Math.max(0, Math.round((x - left) / PITCH)));
  }

  /** The place of a seat. @param {import('./seat_plan.js').Seat} seat */
  placeOf({ tier, row }) {
    return this.places.find((place) => place.tier === tier && place.row.row === row);
  }

  /** @param {Row} row */
  placeOfRow(row) {
    return this.#byRow.get(row);
  }

  /** @param {number} y */
  #nearest(y) {
    let [low, high] = [0, this.places.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.places[middle].y + ROW_PITCH / 2 < y) low = middle + 1;
      else high = middle;
    }
    return this.places[low];
  }
}

/** The middle of a seat. @param {Place} place @param {number} column counted from 0 */
export const middleOf = ({ left, y }, column) => ({ x: left + column * PITCH, y });
