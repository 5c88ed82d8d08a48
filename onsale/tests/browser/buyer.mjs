/**
 * A person who buys tickets: what they see and press, in the words of the pages.
 *
 * Every wait is for something on screen and bounded. Nothing here calls the API.
 */

import { mustBeAccessible } from './accessibility.mjs';

/** A crowd may be ahead. */
const TURN_MAX_MS = 180_000;
/** Authorisation, webhook, capture and ticket, on a busy machine. */
const TICKETS_MAX_MS = 60_000;
const VIEW_MAX_MS = 20_000;
/** How long a page asks again by itself: 15 s of pauses at most, on a busy machine. */
const PATIENCE_MAX_MS = 60_000;

/** What to type into the card form. */
export const CARDS = {
  good: '4242 4242 4242 4242',
  declined: '4000 0000 0000 0002',
  asksBank: '4000 0025 0000 3155',
};

/** One person at one browser. */
export class Buyer {
  #page;
  #url;
  #shot;
  #name;
  /** Kinds of writes whose first answer is still to be lost. @type {Set<string>} */
  #toLose = new Set();

  /**
   * @param {import('playwright-core').Page} page
   * @param {{url: string, name: string, shot: (name: string) => string}} who `shot` gives the file for a screenshot
   */
  constructor(page, { url, name, shot }) {
    this.#page = page;
    this.#url = url;
    this.#name = name;
    this.#shot = shot;
    page.setDefaultTimeout(VIEW_MAX_MS);
  }

  /** A connection that loses the first answer to each kind of write, after the server did it. @param {string[]} kinds */
  async losesTheFirstAnswersTo(kinds) {
    this.#toLose = new Set(kinds);
    await this.#page.route('**/v1/**', async (route) => {
      const kind = new URL(route.request().url()).pathname.split('/').at(-1) ?? '';
      if (route.request().method() !== 'POST' || !this.#toLose.delete(kind)) return route.fallback();
      await route.fetch();
      return route.abort();
    });
  }

  async lostThemAll() {
    if (this.#toLose.size > 0) throw new Error(`never lost: ${[...this.#toLose].join(', ')}`);
  }

  /** A network that lets no WebSocket through. */
  async hasNoSockets() {
    await this.#page.routeWebSocket(/\/live$/, (socket) => socket.close());
  }

  /** A card that others pay with, too, whatever its number: the form names it to the stand-in. @param {string} card */
  async hasTheCard(card) {
    await this.#page.route('**/v1/confirmation_tokens', (route) => {
      const form = new URLSearchParams(route.request().postData() ?? '');
      for (const field of [...form.keys()].filter((name) => name.startsWith('card['))) form.delete(field);
      form.set('payment_method', card);
      return route.continue({ postData: form.toString() });
    });
  }

  /** Nothing is charged, the order is over, and the page says so. */
  async hasReachedTheCardsLimit() {
    const told = this.#page.locator('#problem');
    await told.filter({ hasText: 'paid for as many tickets as one buyer may have' }).waitFor();
    await told.filter({ hasText: 'Nothing was charged: your bank may show the amount as reserved' }).waitFor();
    await this.#sees('ended', 'card-limit');
  }

  async opensThePage() {
    await this.#page.goto(this.#url);
    await this.#sees('lobby');
  }

  async joins() {
    await this.#page.locator('#join').click();
    await this.#page.locator('#prequeue:not([hidden]), #queue:not([hidden]), #choose:not([hidden])').waitFor();
    await this.#looks('queue');
  }

  async waitsForTheTurn() {
    await this.#page.locator('#choose').waitFor({ timeout: TURN_MAX_MS });
    await this.#title('Your turn!');
    await this.#looks('turn');
  }

  /** @param {number} quantity */
  async holds(quantity) {
    await this.#page.locator('#choices select').first().selectOption(String(quantity));
    await this.#page.locator('#take').dblclick();
    await this.#sees('details');
  }

  /** Presses once, and again where another view has come meanwhile, and a button that gives the tickets back. */
  async holdsByASlowDoublePress() {
    const { mouse } = this.#page;
    await this.#page.locator('#take').click();
    await this.#sees('details');
    const giveBack = this.#page.locator('#give-back');
    await giveBack.scrollIntoViewIfNeeded();
    const box = await giveBack.boundingBox();
    if (!box) throw new Error('nothing gives the tickets back');
    await mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await mouse.down({ clickCount: 2 });
    await mouse.up({ clickCount: 2 });
    await this.#page.reload();
    await this.#sees('details');
  }

  async findsThemHeldAfterAReload() {
    const before = await this.#page.locator('#held').textContent();
    await this.#page.reload();
    await this.#sees('details', 'details-again');
    const after = await this.#page.locator('#held').textContent();
    if (before !== after) throw new Error(`held ${before} before the reload, ${after} after it`);
  }

  /** The clock jumps ahead, and there is no more to be had than the sale gives. */
  async asksForMoreTime() {
    const shown = async () => {
      const [minutes, seconds] = (await this.#page.locator('[data-slot="hold-clock"]').innerText()).split(':').map(Number);
      return minutes * 60 + seconds;
    };
    const before = await shown();
    await this.#page.getByRole('button', { name: 'More time' }).click();
    await this.#page.getByRole('button', { name: 'More time' }).waitFor({ state: 'hidden' });
    const after = await shown();
    if (after <= before) throw new Error(`${before} s before the press, ${after} s after it`);
    await this.#looks('more-time');
  }

  async givesThemBack() {
    await this.#page.locator('#give-back').click();
    await this.#page.locator('#details').waitFor({ state: 'hidden' });
  }

  async leaves() {
    await this.#page.locator('#leave:visible, #resign:visible').click();
    await this.#page.locator('#leaving button[value="leave"]').click();
    await this.#sees('over', 'left');
  }

  async fillsIn() {
    await this.#page.getByLabel('Name').fill(`Buyer ${this.#name}`);
    await this.#page.getByRole('textbox', { name: 'E-mail' }).fill(`buyer-${this.#name}@example.org`);
    await this.#page.locator('#order').click();
    await this.#page.waitForURL('**/checkout');
    await this.#page.locator('#pay:enabled').waitFor();
    await this.#looks('checkout');
  }

  async findsTheCheckoutAfterAReload() {
    await this.#page.reload();
    await this.#page.locator('#pay:enabled').waitFor();
  }

  async comesBackFromTheSalePage() {
    await this.#page.goto(this.#url);
    await this.#sees('ordered');
    await this.#page.locator('#ordered-link').click();
    await this.#page.locator('#pay:enabled').waitFor();
  }

  /** Presses Pay twice, as impatient people do. @param {string} card @param {number} [payments] how many may go out */
  async pays(card, payments = 1) {
    await this.#page.locator('#stripe-card-number').fill(card);
    await this.#page.locator('#stripe-card-expiry').fill('12 / 34');
    await this.#page.locator('#stripe-card-cvc').fill('123');
    const keys = this.#keysSent();
    await this.#page.locator('#pay').dblclick();
    const sent = await keys;
    if (sent.length !== payments) throw new Error(`pressing twice sent ${sent.length} payments, not ${payments}`);
    if (new Set(sent).size !== 1) throw new Error('the same payment went out under two keys');
  }

  /** Loads the page anew, as a phone does with a tab that it discarded, and is asked for no card. @param {string} shot */
  async losesTheTabAndIsAskedForNoCard(shot) {
    await this.#page.locator('#stripe-3ds-complete').waitFor();
    await this.#page.reload();
    await this.isAskedForNoCard(shot);
  }

  /** @param {string} shot */
  async isAskedForNoCard(shot) {
    await this.#page.locator('#pay:enabled').filter({ hasText: 'Go on with the payment' }).waitFor();
    await this.#page.locator('#under-way').filter({ hasText: 'You need not enter your card again' }).waitFor();
    const fields = await this.#page.locator('#payment input:visible').count();
    if (fields > 0) throw new Error(`${fields} fields of a card are shown`);
    await this.#looks(shot);
  }

  /** Presses twice; one payment goes on, without a card. */
  async goesOnWithThePayment() {
    const sent = this.#page.waitForRequest((request) => request.url().endsWith('/pay'));
    const keys = this.#keysSent();
    await this.#page.locator('#pay').dblclick();
    const body = (await sent).postData();
    if (body !== '{}') throw new Error(`going on sent ${body}`);
    if ((await keys).length !== 1) throw new Error('pressing twice went on twice');
  }

  /** A network that does not let the provider's script through: nothing is said of it until the bank asks. */
  async isToldOfTheProviderOnlyWhenTheBankAsks() {
    const script = '**/stripe.js';
    await this.#page.route(script, (route) => route.abort());
    await this.#page.reload();
    await this.isAskedForNoCard('going-on-alone');
    const said = await this.#page.locator('#problem').textContent();
    if (said) throw new Error(`asked for nothing, and told: ${said}`);
    await this.goesOnWithThePayment();
    await this.#page.locator('#problem').filter({ hasText: 'payment provider could not be reached' }).waitFor();
    await this.#page.unroute(script);
  }

  /** Goes on while no answer comes through, as often as the page asks: nobody knows then, and pressing again finds out. */
  async goesOnUntilNobodyKnows() {
    const paying = '**/pay';
    await this.#page.route(paying, (route) => route.abort());
    await this.#page.locator('#pay').click();
    const told = this.#page.locator('#problem').filter({ hasText: 'could not learn whether your payment went through' });
    await told.waitFor({ timeout: PATIENCE_MAX_MS });
    await this.#page.unroute(paying);
  }

  /** Goes on; before the answer is in, another tab says no to the bank. The answer is lost and asked for again. */
  async goesOnWhileAnotherTabSaysNo() {
    const other = await this.#page.context().newPage();
    await other.goto(this.#page.url());
    await other.locator('#pay:enabled').click();
    await other.locator('#stripe-3ds-fail').waitFor();
    await this.#page.route('**/pay', async (route) => {
      await route.fetch();
      await other.locator('#stripe-3ds-fail').click();
      await other.locator('#problem:not(:empty)').waitFor();
      return route.abort();
    }, { times: 1 });
    await this.#page.locator('#pay').click();
    await this.isDeclined();
    await this.#page.locator('#stripe-card-number').waitFor();
    await other.close();
  }

  async isDeclined() {
    await this.#page.locator('#problem').filter({ hasText: 'declined' }).waitFor();
    await this.#looks('declined');
  }

  async convincesTheBank() {
    await this.#page.locator('#stripe-3ds-complete').waitFor();
    await this.#looks('bank');
    await this.#page.locator('#stripe-3ds-complete').click();
  }

  async doesNotConvinceTheBank() {
    await this.#page.locator('#stripe-3ds-fail').click();
    await this.#page.locator('#problem:not(:empty)').waitFor();
    await this.#page.locator('#stripe-card-number').waitFor();
  }

  /** Opens the page of an order that is not paid. @param {string} heading what it says @param {string} shot */
  async readsOnTheOrderPage(heading, shot) {
    const order = await this.#page.evaluate(() => Object.keys(localStorage).find((key) => key.startsWith('onsale:ord_')));
    await this.#page.goto(`${this.#url}/orders/${order?.slice('onsale:'.length)}`);
    await this.#page.locator('#shown h2').filter({ hasText: heading }).waitFor();
    await this.#looks(shot);
  }

  /** Goes back to the checkout from the page of the order. @param {string} label what the link says */
  async goesOnToPay(label) {
    await this.#page.locator('#retry-link').filter({ hasText: label }).click();
    await this.#page.locator('#pay:enabled').waitFor();
  }

  /** @param {number} count */
  async seesTickets(count) {
    await this.#page.waitForURL('**/orders/**', { timeout: TICKETS_MAX_MS });
    const codes = this.#page.locator('#tickets .ticket[data-state="valid"] img');
    await codes.nth(count - 1).waitFor({ timeout: TICKETS_MAX_MS });
    if (await codes.count() !== count) throw new Error(`${await codes.count()} tickets, not ${count}`);
    await this.#page.waitForFunction(() => [...document.images].every((image) => image.complete && image.naturalWidth > 0));
    await this.#looks('tickets');
  }

  /** The link in the mail, opened in a browser that knows nothing. */
  async opensTheLinkFromTheMail() {
    const { order, token } = await this.#page.evaluate(() => {
      const id = location.pathname.split('/').at(-1) ?? '';
      return { order: location.href, token: localStorage.getItem(`onsale:${id}`) };
    });
    await this.#page.evaluate(() => localStorage.clear());
    await this.#page.goto('about:blank');
    await this.#page.goto(`${order}#token=${token}`);
    await this.#page.locator('#tickets img').first().waitFor();
    if (this.#page.url().includes('#')) throw new Error('the token stayed in the address bar');
  }

  /** @param {string} view @param {string} [shot] */
  async #sees(view, shot = view) {
    await this.#page.locator(`#${view}`).waitFor();
    await this.#looks(shot);
  }

  /** @param {string} shot */
  async #looks(shot) {
    await this.#page.screenshot({ path: this.#shot(shot), fullPage: true });
    await mustBeAccessible(this.#page);
  }

  /** @param {string} start */
  async #title(start) {
    await this.#page.waitForFunction((text) => document.title.startsWith(text), start);
  }

  /** The keys of the payments that go out until one is answered. */
  async #keysSent() {
    /** @type {(string | undefined)[]} */
    const keys = [];
    const hear = (/** @type {import('playwright-core').Request} */ request) => {
      if (request.url().endsWith('/pay')) keys.push(request.headers()['idempotency-key']);
    };
    this.#page.on('request', hear);
    await this.#page.waitForResponse((response) => response.url().endsWith('/pay'));
    this.#page.off('request', hear);
    return keys;
  }
}
