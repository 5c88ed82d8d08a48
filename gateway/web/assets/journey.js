/**
 * What this browser remembers of a visitor's way through one sale, so that a reload, a crash or a second tab loses
 * nothing: the place, the pass, the hold, the order, and a write whose answer is not known yet.
 *
 * Kept in localStorage under `onsale:{sale}`, the tokens of orders under `onsale:{order}`. Where storage is denied it
 * lives as long as the page; the place then comes back by its cookie. Server state always wins: everything here is
 * asked for again before it is believed.
 *
 * @typedef {object} Steps
 * @property {{token: string, number: number | null, firstAhead?: number}} [place]
 * @property {{token: string, expires_at: string}} [pass]
 * @property {any} [hold] as answered by the API
 * @property {{id: string, token: string, hold?: string, payment: any, submittedAt?: number}} [order]
 * @property {{to: 'hold' | 'order', key: string, body: any}} [attempt] a write whose answer is not known yet
 */

/** @type {Map<string, string>} */
const untilReload = new Map();

/** @param {string} key */
function read(key) {
  try {
    return localStorage.getItem(key) ?? untilReload.get(key) ?? null;
  } catch {
    return untilReload.get(key) ?? null;
  }
}

/** @param {string} key @param {string} text */
function write(key, text) {
  try {
    localStorage.setItem(key, text);
  } catch {
    untilReload.set(key, text);
  }
}

const keyOf = (/** @type {string} */ id) => `onsale:${id}`;

/** The way through one sale. */
export class Journey {
  #key;

  /** @param {string} sale */
  constructor(sale) {
    this.#key = keyOf(sale);
  }

  /** Everything remembered. @returns {Steps} */
  get steps() {
    try {
      return JSON.parse(read(this.#key) ?? '{}') ?? {};
    } catch {
      return {};
    }
  }

  /** Remembers more. @param {Partial<Steps>} steps */
  remember(steps) {
    write(this.#key, JSON.stringify({ ...this.steps, ...steps }));
  }

  /** Forgets some steps. @param {...keyof Steps} names */
  forget(...names) {
    const steps = this.steps;
    for (const name of names) delete steps[name];
    write(this.#key, JSON.stringify(steps));
  }

  /** Tells when another tab of this browser went a step. @param {() => void} moved */
  onOtherTab(moved) {
    addEventListener('storage', (event) => {
      if (event.key === this.#key) moved();
    });
  }
}

/** The token of an order, when this browser has it. @param {string} order */
export const orderToken = (order) => read(keyOf(order));

/** Keeps the token of an order. @param {string} order @param {string} token */
export const keepOrderToken = (order, token) => write(keyOf(order), token);
