/**
 * An entry of the waitlist, heard over the live channel while its page is open.
 *
 * While the channel lives the page asks once a minute at most; while it is away, as often as the server says. A page that
 * lost it asks after that time, not at once: a gateway that falls drops all of them together. What ends the channel for
 * good (the entry or the sale is over, the token is refused) is left to asking, which hears why.
 */

import { Live } from './live.js';
import { pause } from './patience.js';
import { isSettled } from './waitlist_words.js';

/** How often a page asks that is told. */
const TOLD_MS = 60_000;
const OVER = ['closed', 'cancelled'];

/** Follows one entry until it is stopped. */
export class EntryWatch {
  #who;
  #isEnded = new AbortController();
  #live;
  #heard;
  #isTold = false;
  #lostAt = 0;
  #isDue = false;
  #wake = () => {};

  /**
   * @param {string} sale @param {string} entry @param {string} token
   * @param {{entry: (entry: any) => void, sale: (sale: any) => void}} heard
   */
  constructor(sale, entry, token, heard) {
    this.#who = { entry, token };
    this.#heard = heard;
    this.#live = new Live(sale, this.#who, { frame: (frame) => this.#frame(frame), down: () => this.#down() });
    const { signal } = this.#isEnded;
    addEventListener('pagehide', () => this.#live.close(), { signal });
    addEventListener('pageshow', (event) => event.persisted && this.#reopen(), { signal });
    addEventListener('online', () => this.#reopen(), { signal });
    // Another page of this browser may have been given the token that came by mail.
    addEventListener('storage', ({ key }) => key?.includes(entry) && this.#askNow(), { signal });
    this.#live.open();
  }

  /** Goes on with another token of the entry. @param {string} token */
  show(token) {
    if (token === this.#who.token) return;
    this.#who.token = token;
    this.#reopen();
  }

  /** Comes back when it is time to ask, or nothing changes any more. @param {number} pollMs how long a page waits that is not told */
  async due(pollMs) {
    const began = Date.now();
    for (;;) {
      const at = this.#isTold ? began + Math.max(pollMs, TOLD_MS) : Math.max(began, this.#lostAt) + pollMs;
      if (this.#isDue || Date.now() >= at) break;
      await Promise.race([pause(at - Date.now()), new Promise((resolve) => { this.#wake = () => resolve(undefined); })]);
    }
    this.#isDue = false;
  }

  /** Hears no more, whatever happens. */
  end() {
    this.#isEnded.abort();
    this.#stop();
  }

  #stop() {
    this.#isTold = false;
    this.#live.close();
  }

  #reopen() {
    this.#down();
    this.#live.open();
  }

  #askNow() {
    this.#isDue = true;
    this.#wake();
  }

  #down() {
    if (this.#isTold) this.#lostAt = Date.now();
    this.#isTold = false;
    this.#wake();
  }

  /** @param {import('./live.js').Frame} frame */
  #frame({ type, data }) {
    if (type === 'entry') {
      this.#isTold = true;
      this.#heard.entry(data);
      this.#isDue ||= isSettled(data);
      this.#wake();
    } else if (type === 'error') {
      this.#down();
      if (data.code !== 'store_unavailable') this.#stop();
    } else if (type === 'sale') {
      this.#heard.sale(data);
      if (!OVER.includes(data.state)) return;
      this.#down();
      this.#stop();
    }
  }
}
