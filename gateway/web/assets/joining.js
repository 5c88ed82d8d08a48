/**
 * Joining, with what a person wishes and what the sale asks for: more time, an access code, a proof of work.
 *
 * The doors that are open say whether a code is asked for; the proof is asked for by refusing. It has a way out: who asks
 * for more time needs none.
 *
 * A join is sent by a browser that already has the visitor's cookie. Were it the answer to the join that brings the cookie
 * and were that answer lost, the next try would be somebody else's, with a place behind the first.
 */

import { Problem, challengeOf, joinQueue } from './api.js';
import { device } from './memory.js';
import { fill, part } from './page.js';
import { patiently } from './patience.js';
import { GivenUp, proofOf } from './proof.js';
import { alone } from './tabs.js';

/** Challenges expire; a slow device may need a second one. */
const PROOFS_MAX = 3;
const WITH_CODE = 'With a code you join a part of the sale that is not open to everybody. Upper or lower case, spaces and dashes make no difference.';
const ONLY_WITH_CODE = 'Right now the sale is open to people with a code. Upper or lower case, spaces and dashes make no difference.';

/** Where it is noted, for all sales, when this browser was last given the visitor's cookie or had it. */
const KNOWN = 'onsale:known';
/** How long that is believed; the cookie lives for days. */
const KNOWN_FOR_MS = 24 * 3_600_000;

/** The form in the lobby. */
export class Joining {
  #sale;
  #waiting;
  #isCodeNeeded = false;
  /** @type {Promise<void> | null} Settled once the browser has the visitor's cookie. */
  #known = null;

  /** @param {string} sale @param {(problem: Problem) => void} waiting told while a passing refusal is waited out */
  constructor(sale, waiting) {
    this.#sale = sale;
    this.#waiting = waiting;
  }

  /** Shows the field for a code where one opens a door. @param {import('./phases.js').Doors['code']} code */
  askForCode(code) {
    part('code-asked').hidden = code === 'no';
    fill('code-label', code === 'optional' ? 'Access code, if you have one' : 'Access code');
    fill('code-why', code === 'optional' ? WITH_CODE : ONLY_WITH_CODE);
    this.#isCodeNeeded = code === 'required';
  }

  /** Gets the visitor's cookie ahead of the press; what fails here, the join tries again. */
  prepare() {
    this.#becomeKnown().catch(() => {});
  }

  /**
   * Joins.
   * @returns {Promise<any>} what the API answers; nothing when a code is asked for first, or the person gave up
   */
  async join() {
    if (this.#isCodeNeeded && !this.#code.value.trim()) return this.#demandCode('');
    try {
      await patiently(() => this.#becomeKnown(), this.#waiting);
      return await this.#joinProving();
    } catch (failure) {
      if (failure instanceof GivenUp) return part('join').focus();
      if (failure instanceof Problem && failure.code === 'access_code_required') return this.#demandCode(this.#code.value);
      throw failure;
    }
  }

  /** Asks for the visitor's cookie, once in all tabs; not at all where it was asked for lately. */
  #becomeKnown() {
    this.#known ??= alone(KNOWN, () => this.#askForCookie()).catch((failure) => {
      this.#known = null;
      throw failure;
    });
    return this.#known;
  }

  async #askForCookie() {
    if (Date.now() - Number(device.read(KNOWN)) < KNOWN_FOR_MS) return;
    await challengeOf(this.#sale);
    device.write(KNOWN, String(Date.now()));
  }

  async #joinProving() {
    /** @type {{challenge: string, nonce: string} | undefined} */
    let proof;
    for (let proofs = 0; ; proofs += 1) {
      try {
        return await patiently(() => joinQueue(this.#sale, this.#wishes(proof)), this.#waiting);
      } catch (failure) {
        const isAsked = failure instanceof Problem && failure.code === 'proof_required' && proofs < PROOFS_MAX;
        if (!isAsked) throw failure;
        proof = await this.#prove();
      }
    }
  }

  /** @param {{challenge: string, nonce: string} | undefined} proof */
  #wishes(proof) {
    const code = part('code-asked').hidden ? '' : this.#code.value.trim();
    return { ...(code && { access_code: code }), ...(this.#moreTime.checked && { more_time: true }), ...(proof && { proof }) };
  }

  /** A proof; none when the person asks for more time instead. */
  async #prove() {
    const challenge = await patiently(() => challengeOf(this.#sale), this.#waiting);
    const given = new AbortController();
    const [panel, bar] = [part('proving'), /** @type {HTMLProgressElement} */ (part('proving-progress'))];
    let isMoreTimeChosen = false;
    part('prove-not').onclick = () => {
      isMoreTimeChosen = true;
      this.#moreTime.checked = true;
      given.abort();
    };
    part('prove-stop').onclick = () => given.abort();
    panel.hidden = false;
    try {
      const nonce = await proofOf(challenge, { progress: (chance) => { bar.value = chance; }, signal: given.signal });
      return { challenge: challenge.challenge, nonce };
    } catch (failure) {
      // The box may have been ticked by hand meanwhile, which is no wish to join without a proof.
      if (isMoreTimeChosen) return undefined;
      throw failure;
    } finally {
      panel.hidden = true;
      bar.value = 0;
    }
  }

  /** @param {string} refused the code that was refused */
  #demandCode(refused) {
    if (part('code-asked').hidden) this.askForCode('required');
    if (refused) this.#code.setCustomValidity('This code does not open the sale now. Please check it.');
    else this.#code.setCustomValidity('Please enter your access code.');
    this.#code.addEventListener('input', () => this.#code.setCustomValidity(''), { once: true });
    this.#code.focus();
    this.#code.reportValidity();
  }

  get #code() {
    return /** @type {HTMLInputElement} */ (part('code'));
  }

  get #moreTime() {
    return /** @type {HTMLInputElement} */ (part('more-time'));
  }
}
