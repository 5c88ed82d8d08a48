/**
 * A person in the waiting room: what they see and press, and what their browser sends.
 *
 * Every wait is for something on screen or on the wire and bounded. Nothing here calls the API.
 */

import { mustBeAccessible } from './accessibility.mjs';

/** Somebody who fell silent is passed over after 15 s. */
const VIEW_MAX_MS = 30_000;
/** Live regions of the page, all of them. */
const REGIONS = '[role="status"], [role="alert"], [aria-live]';

/** @typedef {import('playwright-core').Page} Page */

/** One person at one tab. */
export class Visitor {
  #page;
  #url;
  #shot;

  /** @param {Page} page @param {string} url the page of the sale @param {(name: string) => string} shot */
  constructor(page, url, shot) {
    this.#page = page;
    this.#url = url;
    this.#shot = shot;
    page.setDefaultTimeout(VIEW_MAX_MS);
  }

  get page() {
    return this.#page;
  }

  async opens() {
    await this.#page.goto(this.#url);
    await this.#page.locator('#loading').waitFor({ state: 'hidden' });
  }

  /** @param {'lobby' | 'prequeue' | 'queue' | 'choose' | 'over'} view @param {number} [timeout] in ms */
  async sees(view, timeout = VIEW_MAX_MS) {
    await this.#page.locator(`#${view}`).waitFor({ timeout });
  }

  /** Sees a view, and axe finds nothing wrong with it. @param {Parameters<Visitor['sees']>[0]} view @param {string} [shot] */
  async seesItAccessible(view, shot = view) {
    await this.sees(view);
    await this.looks(shot);
  }

  /** @param {string} shot */
  async looks(shot) {
    await this.#page.screenshot({ path: this.#shot(shot), fullPage: true });
    await mustBeAccessible(this.#page);
  }

  async joins() {
    await this.#page.locator('#join').click();
    await this.#page.locator('#prequeue:not([hidden]), #queue:not([hidden]), #choose:not([hidden])').waitFor();
  }

  async opensAndJoins() {
    await this.opens();
    await this.joins();
  }

  async leaves() {
    await this.#page.locator('#leave').click();
    await this.#page.locator('#leaving button[value="leave"]').click();
    await this.sees('over');
  }

  /** The number that the person reads. */
  async number() {
    const number = this.#page.locator('#queue [data-slot="number"]');
    await number.filter({ hasText: /\d/ }).waitFor();
    return number.textContent();
  }

  /** Reads so many people ahead, in the end. @param {number} ahead */
  async seesAhead(ahead) {
    await this.#page.locator('#queue [data-slot="ahead"]').filter({ hasText: new RegExp(`^${ahead}$`) }).waitFor();
  }

  /** Reads a text in the element of that id, over all its lines. @param {string} id @param {RegExp} text */
  async reads(id, text) {
    await this.#page.locator(`#${id}`).filter({ hasText: new RegExp(text.source, 's') }).waitFor();
  }

  /** @param {string} start */
  async seesTitle(start) {
    await this.#page.waitForFunction((text) => document.title.startsWith(text), start, { polling: 100 });
  }

  /** Sees that its place is number @param {string | null} number */
  async hasNumber(number) {
    const found = await this.number();
    if (found !== number) throw new Error(`number ${found}, not ${number}`);
  }

  /** Everything that the live regions of the page said since. @returns {Promise<() => Promise<string[]>>} */
  async listens() {
    await this.#page.evaluate((regions) => {
      /** @type {string[]} */
      const said = [];
      Object.assign(globalThis, { said });
      const hear = new MutationObserver((changes) => {
        for (const region of new Set(changes.map(({ target }) => (target instanceof Element ? target : target.parentElement)?.closest(regions)))) {
          if (region?.textContent) said.push(region.textContent);
        }
      });
      for (const region of document.querySelectorAll(regions)) hear.observe(region, { childList: true, characterData: true, subtree: true });
    }, REGIONS);
    // @ts-ignore: put there above
    return () => this.#page.evaluate(() => globalThis.said);
  }
}

/** What a page sends to learn of its place. */
export class Wire {
  sockets = 0;
  streams = 0;
  polls = 0;

  /** @param {Page} page */
  constructor(page) {
    page.on('websocket', (socket) => {
      socket.on('framereceived', () => { this.sockets += 1; });
    });
    page.on('request', (request) => {
      if (request.headers().accept === 'text/event-stream') this.streams += 1;
      if (request.method() === 'GET' && request.url().endsWith('/queue/place')) this.polls += 1;
    });
  }

  /** Begins to count anew. */
  forget() {
    this.sockets = 0;
    this.streams = 0;
    this.polls = 0;
  }

  /** @param {Partial<Record<'sockets' | 'streams' | 'polls', 'some' | 'none'>>} expected */
  must(expected) {
    for (const [kind, how] of Object.entries(expected)) {
      const count = this[/** @type {'sockets' | 'streams' | 'polls'} */ (kind)];
      if ((count > 0) !== (how === 'some')) throw new Error(`${count} ${kind} on the wire, not ${how}`);
    }
  }
}
