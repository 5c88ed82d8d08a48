/**
 * The seats of a sale and what may be had of them, as this page last heard.
 *
 * A version is `{epoch}-{changes}`: within an epoch, changes only grow; another epoch has nothing in common with it. A
 * change says the state that a seat has from then on, so hearing it twice does no harm.
 *
 * | state | means |
 * |-------|-------|
 * | `f`   | free |
 * | `h`   | in somebody's basket; may come back |
 * | `s`   | not to be had |
 *
 * @typedef {'f' | 'h' | 's'} State
 * @typedef {{tier: string, row: string, number: number}} Seat `number` counts from 1
 * @typedef {{row: string, states: State[]}} Row
 * @typedef {{tier: string, rows: Row[]}} SeatedTier
 * @typedef {{from: string | null, to: string, changes: [string, string, number, State][] | null}} Delta
 */

/** What a seat is called: on the map, in requests, on the ticket. @param {{row: string, number: number}} seat */
export const seatName = ({ row, number }) => `${row}-${number}`;

/** The seat of that name; a row may have a dash in its name, a number has none. @param {string} tier @param {string} name @returns {Seat} */
export function seatNamed(tier, name) {
  const dash = name.lastIndexOf('-');
  return { tier, row: name.slice(0, dash), number: Number(name.slice(dash + 1)) };
}

/** All seats of one sale. */
export class SeatPlan {
  #epoch;
  #changes;
  /** @type {Map<string, Map<string, Row>>} */
  #rows;

  /** What the version of the answer is called to the server. */
  etag;
  /** @type {SeatedTier[]} In the order of the sale, rows the best first. */
  tiers;

  /** @param {{version: string, etag?: string, tiers: {tier: string, rows: {row: string, states: string}[]}[]}} answer as the API gives it */
  constructor({ version, etag = '', tiers }) {
    ({ epoch: this.#epoch, changes: this.#changes } = parsed(version));
    this.etag = etag;
    this.tiers = tiers.map(({ tier, rows }) => ({
      tier, rows: rows.map(({ row, states }) => ({ row, states: /** @type {State[]} */ ([...states]) })),
    }));
    this.#rows = new Map(this.tiers.map(({ tier, rows }) => [tier, new Map(rows.map((row) => [row.row, row]))]));
  }

  /** The state of a seat; not to be had when there is none. @param {Seat} seat @returns {State} */
  state({ tier, row, number }) {
    return this.#rows.get(tier)?.get(row)?.states[number - 1] ?? 's';
  }

  /** Whether the other one is a later map. @param {SeatPlan} other */
  isOlderThan(other) {
    return this.#epoch < other.#epoch || (this.#epoch === other.#epoch && this.#changes < other.#changes);
  }

  /** Which map it is. */
  get version() {
    return `${this.#epoch}-${this.#changes}`;
  }

  /** Whether it is a later map than a change begins with, and an earlier one than it leads to. @param {Delta} delta */
  isWithin({ from, to }) {
    if (from === null) return false;
    const [base, next] = [parsed(from), parsed(to)];
    return [base.epoch, next.epoch].every((epoch) => epoch === this.#epoch) && base.changes < this.#changes && this.#changes < next.changes;
  }

  /**
   * Takes in what changed.
   * @param {Delta} delta
   * @returns {Row[] | null} the rows it changed; null when the map must be fetched again, because something is missing between
   */
  apply({ from, to, changes }) {
    const next = parsed(to);
    if (next.epoch < this.#epoch || (next.epoch === this.#epoch && next.changes <= this.#changes)) return [];
    if (from === null || changes === null) return null;
    const base = parsed(from);
    if (base.epoch !== this.#epoch || next.epoch !== this.#epoch || base.changes > this.#changes) return null;
    this.#changes = next.changes;
    return [...new Set(changes.flatMap((change) => this.#set(change)))];
  }

  /**
   * Takes in that free seats are in somebody's basket, before any map says so. So this is no map of the server's any more:
   * asked for the next one, it sends the whole of it.
   * @param {Seat[]} seats
   * @returns {Row[]} the rows it changed
   */
  take(seats) {
    this.etag = '';
    const free = seats.filter((seat) => this.state(seat) === 'f');
    return [...new Set(free.flatMap(({ tier, row, number }) => this.#set([tier, row, number, 'h'])))];
  }

  /** @param {[string, string, number, State]} change */
  #set([tier, name, number, state]) {
    const row = this.#rows.get(tier)?.get(name);
    if (!row || number < 1 || number > row.states.length) return [];
    row.states[number - 1] = state;
    return [row];
  }
}

/** @param {string} version */
function parsed(version) {
  const [epoch, changes] = version.split('-').map(Number);
  return { epoch, changes };
}
