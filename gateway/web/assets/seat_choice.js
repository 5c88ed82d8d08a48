/** The seats that a person chose, within what one buyer may have. Nobody holds them yet. */

import { seatName } from './seat_plan.js';

/** @typedef {import('./seat_plan.js').Seat} Seat */

/** Whether two are the same. @param {Seat} one @param {Seat} other */
const isSame = (one, other) => one.tier === other.tier && one.row === other.row && one.number === other.number;

/** Some seats, in the order they were chosen. */
export class SeatChoice {
  /** @type {Seat[]} */
  #seats = [];
  #limitOf;

  /** @param {(tier: string) => number} limitOf how many more may be chosen of a tier */
  constructor(limitOf) {
    this.#limitOf = limitOf;
  }

  get seats() {
    return this.#seats;
  }

  /** How many there are, of a tier or of all. @param {string} [tier] */
  count(tier) {
    return this.#seats.filter((seat) => tier === undefined || seat.tier === tier).length;
  }

  /** @param {Seat} seat */
  has(seat) {
    return this.#seats.some((other) => isSame(other, seat));
  }

  /** Chooses a seat, or takes the choice back. @param {Seat} seat @returns {'chosen' | 'unchosen' | 'limit'} */
  toggle(seat) {
    if (this.has(seat)) {
      this.#seats = this.#seats.filter((other) => !isSame(other, seat));
      return 'unchosen';
    }
    if (this.#limitOf(seat.tier) < 1) return 'limit';
    this.#seats.push(seat);
    return 'chosen';
  }

  /** Chooses what may be chosen of them. @param {Seat[]} seats */
  add(seats) {
    for (const seat of seats) if (!this.has(seat)) this.toggle(seat);
  }

  /** Takes back what is so, and says what that was. @param {(seat: Seat) => boolean} isGone @returns {Seat[]} */
  drop(isGone) {
    const gone = this.#seats.filter(isGone);
    this.#seats = this.#seats.filter((seat) => !gone.includes(seat));
    return gone;
  }

  clear() {
    this.#seats = [];
  }

  /** The seats of a tier as the API takes them. @param {string} tier */
  namesOf(tier) {
    return this.#seats.filter((seat) => seat.tier === tier).map(seatName);
  }
}
