/**
 * Somebody else who buys at the same time, without a browser: joins, waits for the turn, takes units, and pays or gives them
 * back.
 */

const TURN_WITHIN_MS = 30_000;
const TICKETS_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 200;

/** One rival. */
export class Rival {
  #url;
  #pass;
  #hold = '';
  /** @type {{id: string, token: string} | null} */
  #order = null;

  /** @param {string} url of the sale in the API @param {string} pass */
  constructor(url, pass) {
    this.#url = url;
    this.#pass = pass;
  }

  /** Gets a turn. @param {string} base the gateway @param {string} sale */
  static async enters(base, sale) {
    const url = `${base}/v1/sales/${sale}`;
    const joined = await fetch(`${url}/queue`, { method: 'POST' });
    if (!joined.ok) throw new Error(`joining: ${joined.status} ${await joined.text()}`);
    const { place } = await joined.json();
    for (const until = Date.now() + TURN_WITHIN_MS; Date.now() < until;) {
      const answer = await fetch(`${url}/queue/place`, { headers: { authorization: `Bearer ${place.token}` } });
      const { pass } = answer.ok ? await answer.json() : {};
      if (pass) return new Rival(url, pass);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    throw new Error('the rival got no turn');
  }

  /** Takes these. @param {...Record<string, unknown>} items */
  async holds(...items) {
    const answer = await this.#asks('POST', '/holds', { items });
    this.#hold = answer.id;
  }

  async givesThemBack() {
    await this.#asks('DELETE', `/holds/${this.#hold}`);
  }

  /** Pays for what is held. @param {string} card as the stand-in for Stripe names it */
  async paysWith(card) {
    const order = this.#order = await this.#asks('POST', '/orders', { hold: this.#hold, email: `${this.#hold}@example.org`, name: 'Rival' });
    const made = await fetch(`${order.payment.browser_base}/v1/test_helpers/confirmation_tokens`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk_test_of_a_rival' },
      body: new URLSearchParams({ payment_method: card }),
    });
    if (!made.ok) throw new Error(`a confirmation token: ${made.status} ${await made.text()}`);
    const { id } = await made.json();
    await this.#asks('POST', `/orders/${order.id}/pay`, { confirmation_token: id }, order.token);
  }

  /** The order with its tickets, once there are some. @returns {Promise<{order: string, tickets: string[]}>} */
  async hasTickets() {
    if (!this.#order) throw new Error('the rival ordered nothing');
    const { id, token } = this.#order;
    for (const until = Date.now() + TICKETS_WITHIN_MS; Date.now() < until;) {
      const { state, tickets } = await this.#asks('GET', `/orders/${id}`, undefined, token);
      if (state === 'paid') return { order: id, tickets: tickets.map((/** @type {{id: string}} */ ticket) => ticket.id) };
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    throw new Error('the rival got no tickets');
  }

  /** @param {string} method @param {string} path @param {unknown} [body] @param {string} [token] */
  async #asks(method, path, body, token = this.#pass) {
    const answer = await fetch(this.#url + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`, 'idempotency-key': `"${crypto.randomUUID()}"`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }
}
