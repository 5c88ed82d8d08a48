/** A person who waits for what comes back: what they see and press on the pages of the waitlist. */

/** From giving a ticket back to the page that shows the offer: a refund, and a page that is told or asks every five seconds. */
const OFFER_MAX_MS = 60_000;

/** One person at one tab. */
export class Listed {
  #visitor;
  #page;
  #mailbox;
  #email;

  /** @param {import('../visitor.mjs').Visitor} visitor @param {import('../mailbox.mjs').Mailbox} mailbox @param {string} email */
  constructor(visitor, mailbox, email) {
    this.#visitor = visitor;
    this.#page = visitor.page;
    this.#mailbox = mailbox;
    this.#email = email;
  }

  /** Types an address, in the queue or on the page of the waitlist, and presses once. @param {string} form */
  async asks(form) {
    await this.#page.locator(`#${form} [name="email"]`).fill(this.#email);
    const joined = this.#page.waitForResponse((response) => response.url().endsWith('/waitlist') && response.status() === 201);
    await this.#page.locator(`#${form} button`).click();
    await joined;
  }

  /** Asks from another device, which has no place in the queue. @param {string} base @param {string} sale @param {object} wish */
  async asksElsewhere(base, sale, wish) {
    const answer = await fetch(`${base}/v1/sales/${sale}/waitlist`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...wish, email: this.#email }),
    });
    if (!answer.ok) throw new Error(`joining: ${answer.status} ${await answer.text()}`);
  }

  /** Goes where a mail leads. @param {string} subject a part of it */
  async followsTheMail(subject) {
    await this.#page.goto('about:blank');
    await this.#page.goto(await this.#mailbox.link(this.#email, subject));
  }

  /** Presses the button on the page that the first mail leads to. */
  async confirms() {
    await this.followsTheMail('Confirm your place');
    await this.sees('Is it you', 'confirm');
    await this.#page.locator('#confirm').click();
    await this.sees('You are on the waitlist', 'waiting');
  }

  /** @param {string} heading how it begins @param {string} shot */
  async sees(heading, shot) {
    await this.#page.locator('#shown h2').filter({ hasText: new RegExp(`^${heading}`) }).waitFor({ timeout: OFFER_MAX_MS });
    await this.#visitor.looks(shot);
  }

  async isOffered() {
    await this.sees('It is your turn', 'offered');
  }

  /** While whatever the page asks about its entry gets no answer: what it shows then, it was told. @param {() => Promise<void>} act */
  async unanswered(act) {
    const questions = '**/v1/sales/*/waitlist/*';
    await this.#page.route(questions, (route) => (route.request().method() === 'GET' ? route.abort() : route.continue()));
    await act();
    await this.#page.unroute(questions);
  }

  /** Leaves the line, or gives the offer back. */
  async leaves() {
    await this.#page.locator('#leave').click();
    await this.#page.locator('#leaving').waitFor();
    await this.#visitor.looks('leaving');
    await this.#page.locator('#leaving button[value="leave"]').click();
  }
}
