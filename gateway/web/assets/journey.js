/**
 * What this browser remembers of a visitor's way through one sale, so that a reload, a crash or a second tab loses
 * nothing: the place, the pass, the hold, the order, and a write whose answer is not known yet.
 *
 * Kept on the device under `onsale:{sale}`, the tokens of orders and of entries of the waitlist under `onsale:{id}`. A place that
 * another device lent is kept by this tab alone and goes before the device's own, which it leaves untouched. Server state always
 * wins: everything here is asked for again before it is believed.
 *
 * @typedef {'left' | 'unregistered' | 'expired' | 'unknown'} End
 * @typedef {object} Steps
 * @property {{token: string, number?: number | null, firstAhead?: number, registered?: boolean}} [place] a number that is not
 *   there was not asked for yet; null comes before the draw
 * @property {End} [end] how the last place ended, for the tabs that still stand at it
 * @property {{token: string, expires_at: string}} [pass]
 * @property {any} [hold] as answered by the API, with `by_name`: whether its seats were chosen by name
 * @property {{id: string, token: string, hold?: string, payment: any, submittedAt?: number}} [order]
 * @property {{id: string, state: string}} [waitlist] the entry that was made in the queue, until it is settled
 * @property {{to: 'hold' | 'order', key: string, body: any}} [attempt] a write whose answer is not known yet
 */

import { device, tab } from './memory.js';

const keyOf = (/** @type {string} */ id) => `onsale:${id}`;

/** The way through one sale. */
export class Journey {
  #key;
  #lentKey;

  /** @param {string} sale */
  constructor(sale) {
    this.#key = keyOf(sale);
    this.#lentKey = `${this.#key}:lent`;
  }

  /** Whether the place was lent by another device. */
  get isLent() {
    return tab.read(this.#lentKey) !== null;
  }

  /** Everything remembered. @returns {Steps} */
  get steps() {
    try {
      return JSON.parse(tab.read(this.#lentKey) ?? device.read(this.#key) ?? '{}') ?? {};
    } catch {
      return {};
    }
  }

  /** Follows a place that another device lends, unless it is this device's own. @param {string} token */
  borrow(token) {
    if (this.steps.place?.token === token) return;
    tab.write(this.#lentKey, JSON.stringify({ place: { token } }));
  }

  /** Remembers more. @param {Partial<Steps>} steps */
  remember(steps) {
    this.#keep({ ...this.steps, ...steps });
  }

  /** Forgets some steps; a lent journey of which nothing is left gives way to the device's own. @param {...keyof Steps} names */
  forget(...names) {
    const steps = this.steps;
    for (const name of names) delete steps[name];
    if (this.isLent && Object.keys(steps).length === 0) tab.clear(this.#lentKey);
    else this.#keep(steps);
  }

  /** Forgets the place, and remembers how it ended where other tabs may stand at it. @param {End} end */
  forgetPlace(end) {
    if (!this.isLent) this.remember({ end });
    this.forget('place');
  }

  /**
   * Remembers what became of the entry that was made in the queue; any other is not this journey's.
   * @param {{id: string, state: string}} entry @param {boolean} settled whether there is nothing to remember any more
   */
  noteEntry({ id, state }, settled) {
    const { waitlist } = this.steps;
    if (waitlist?.id !== id || waitlist.state === state) return;
    if (settled) this.forget('waitlist');
    else this.remember({ waitlist: { id, state } });
  }

  /** Tells when another tab of this browser went a step. @param {() => void} moved */
  onOtherTab(moved) {
    addEventListener('storage', (event) => {
      if (event.key === this.#key || event.key === null) moved();
    });
  }

  /** @param {Steps} steps */
  #keep(steps) {
    if (this.isLent) tab.write(this.#lentKey, JSON.stringify(steps));
    else device.write(this.#key, JSON.stringify(steps));
  }
}

/** The token of an entry of the waitlist, when this browser has it. @param {string} entry */
export const entryToken = (entry) => device.read(keyOf(entry));

/** Keeps the token of an entry of the waitlist. @param {string} entry @param {string} token */
export const keepEntryToken = (entry, token) => device.write(keyOf(entry), token);

/** The token of an order, when this browser has it. @param {string} order */
export const orderToken = (order) => device.read(keyOf(order));

/** Keeps the token of an order. @param {string} order @param {string} token */
export const keepOrderToken = (order, token) => device.write(keyOf(order), token);
