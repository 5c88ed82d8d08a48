/**
 * The card form: Stripe's Payment Element, or a stand-in with the same function names.
 *
 * Only this page loads a script of somebody else, and its policy allows that one origin. Card data goes from the form
 * to the provider; what comes back here is a confirmation token, which is worth nothing without our server.
 */

const STRIPE_JS_URL = 'https://js.stripe.com/v3/';
const STAND_IN_PATH = '/stripe.js';

/** The provider refused, in words for the person who pays. */
export class PaymentRefused extends Error {}

/** The bank said no to this payment, which is over: another may be made, with this card or another. */
export class BankRefused extends PaymentRefused {}

/** Whether the bank's answer is in, and was no: then another card may be tried. */
const REFUSED_BY_BANK = 'requires_payment_method';

/** The provider's script. */
export class Provider {
  #stripe;

  /** @param {any} stripe */
  constructor(stripe) {
    this.#stripe = stripe;
  }

  /** Loads the script. @param {{publishable_key: string, browser_base: string | null}} payment */
  static async load({ publishable_key: publishableKey, browser_base: base }) {
    await loadScript(base ? `${base.replace(/\/$/, '')}${STAND_IN_PATH}` : STRIPE_JS_URL);
    return new Provider(/** @type {any} */ (window).Stripe(publishableKey));
  }

  /**
   * Mounts the card form.
   * @param {import('./money.js').Money} total
   * @param {HTMLElement} target
   */
  mount({ amount, currency }, target) {
    const isDark = matchMedia('(prefers-color-scheme: dark)').matches;
    const elements = this.#stripe.elements({ mode: 'payment', amount, currency, appearance: { theme: isDark ? 'night' : 'stripe' } });
    target.replaceChildren();
    elements.create('payment').mount(`#${target.id}`);
    return new CardForm(this.#stripe, elements);
  }

  /**
   * Lets the bank ask its question (3-D Secure).
   * @param {string} clientSecret
   */
  async answerBank(clientSecret) {
    const { error } = await this.#stripe.handleNextAction({ clientSecret });
    if (error?.payment_intent?.status === REFUSED_BY_BANK) throw new BankRefused(wordsOf(error));
    refuse(error);
  }
}

/** A mounted card form. */
export class CardForm {
  #stripe;
  #elements;

  /** @param {any} stripe @param {any} elements */
  constructor(stripe, elements) {
    this.#stripe = stripe;
    this.#elements = elements;
  }

  /**
   * Checks what was entered and turns it into a confirmation token.
   * @param {string} returnUrl where a bank that takes the whole window sends the person back to
   * @returns {Promise<string>}
   */
  async confirmationToken(returnUrl) {
    const checked = await this.#elements.submit();
    refuse(checked?.error);
    const { error, confirmationToken } = await this.#stripe.createConfirmationToken({
      elements: this.#elements,
      params: { return_url: returnUrl },
    });
    refuse(error);
    return confirmationToken.id;
  }
}

/** @param {{message?: string} | undefined} error */
function refuse(error) {
  if (error) throw new PaymentRefused(wordsOf(error));
}

/** What the provider says, which may be nothing. @param {{message?: string}} error */
const wordsOf = (error) => error.message || 'The payment was not accepted.';

/** @param {string} url */
function loadScript(url) {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = url;
    script.addEventListener('load', resolve);
    script.addEventListener('error', () => {
      script.remove();
      reject(new PaymentRefused('Our payment provider could not be reached. Please check your connection, then press the button.'));
    });
    document.head.append(script);
  });
}
