/** What came by mail, as the sink of the demo has it. */

const MAIL_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 100;

/** Everybody's mailbox. */
export class Mailbox {
  #url;

  /** @param {string} url of the sink's page */
  constructor(url) {
    this.#url = url;
  }

  /** The link to the waitlist in a mail. @param {string} email whose @param {string} subject a part of it @returns {Promise<string>} */
  async link(email, subject) {
    for (const until = Date.now() + MAIL_WITHIN_MS; Date.now() < until;) {
      const { data } = await (await fetch(new URL('mails.json', this.#url))).json();
      const found = data.find((/** @type {any} */ mail) => mail.to.includes(email) && mail.subject.includes(subject));
      const link = /\S+\/waitlist\/\S+/.exec(found?.text ?? '')?.[0];
      if (link) return link;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    throw new Error(`no link in a mail to ${email} about ${subject}`);
  }
}
