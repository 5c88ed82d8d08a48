/** The organizer, through the organizer API: sales for the scenarios, and what is done to them while people wait. */

/** How long a freshly published sale may take to be in Redis and open. */
const OPEN_WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 100;
const TIER = { id: 'standing', name: 'Standing', price: 4_500, capacity: 100 };

/** @param {number} ms from now */
export const inMs = (ms) => new Date(Date.now() + ms).toISOString();

/** One organizer. */
export class Organizer {
  #base;
  #key;

  /** @param {string} base the gateway @param {string} key */
  constructor(base, key) {
    this.#base = base;
    this.#key = key;
  }

  /**
   * Publishes a sale and waits until it is in the state.
   * @param {string} slug
   * @param {Record<string, unknown>} config what differs from a sale that is open at once
   * @param {string} [state]
   * @returns {Promise<{id: string, url: string}>}
   */
  async publishes(slug, config, state = 'open') {
    const { id } = await this.#asks('POST', '', {
      name: 'Night at the Opera', slug, venue: 'The Old Warehouse', currency: 'eur', time_zone: 'Europe/Berlin',
      opens_at: '2026-01-01T00:00:00Z', tiers: [TIER], ...config,
    });
    await this.#asks('POST', `/${id}/publish`);
    await this.reaches(id, state);
    return { id, url: `${this.#base}/s/${slug}` };
  }

  /** @param {string} sale */
  pauses(sale) {
    return this.#asks('POST', `/${sale}/pause`);
  }

  /** @param {string} sale */
  resumes(sale) {
    return this.#asks('POST', `/${sale}/resume`);
  }

  /** @param {string} sale @param {string} text */
  says(sale, text) {
    return this.#asks('POST', `/${sale}/notices`, { text });
  }

  /** @param {string} sale @param {Record<string, number>} admission */
  paces(sale, admission) {
    return this.#asks('PATCH', `/${sale}/admission`, admission);
  }

  /** @param {string} sale @param {string} phase @param {string} code */
  handsOut(sale, phase, code) {
    return this.#asks('POST', `/${sale}/access-codes`, { phase, codes: [code] });
  }

  /** Takes tickets back and gives the money back. @param {string} sale @param {{order: string, tickets: string[]}} what */
  refunds(sale, { order, tickets }) {
    return this.#asks('POST', `/${sale}/orders/${order}/refunds`, { tickets, reason: 'cannot come' });
  }

  /** @param {string} method @param {string} path @param {unknown} [body] */
  async #asks(method, path, body) {
    const response = await fetch(`${this.#base}/v1/organizer/sales${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#key}`, 'idempotency-key': `"${crypto.randomUUID()}"`, ...(body !== undefined && { 'content-type': 'application/json' }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /** Waits until it is so. @param {string} sale @param {string} state */
  async reaches(sale, state) {
    let last = '';
    for (const until = Date.now() + OPEN_WITHIN_MS; Date.now() < until;) {
      const response = await fetch(`${this.#base}/v1/sales/${sale}`);
      last = response.ok ? (await response.json()).state : String(response.status);
      if (last === state) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    throw new Error(`the sale is ${last}, not ${state}`);
  }
}
