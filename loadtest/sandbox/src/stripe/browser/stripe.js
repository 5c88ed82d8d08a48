// A stand-in for Stripe.js: the functions a Payment Element page calls, with the same names, arguments and answers, and a
// card form in the page instead of Stripe's iframe. It speaks only to the fake Stripe it was loaded from, and takes only
// test cards. It does not style itself by script, so a strict content security policy needs no more than this origin.
(() => {
  'use strict';

  const base = new URL(document.currentScript.src).origin;

  const FIELDS = [
    { name: 'number', id: 'stripe-card-number', label: 'Card number', autocomplete: 'cc-number', placeholder: '4242 4242 4242 4242', max: 23 },
    { name: 'expiry', id: 'stripe-card-expiry', label: 'Expiry date (MM / YY)', autocomplete: 'cc-exp', placeholder: '12 / 34', max: 7 },
    { name: 'cvc', id: 'stripe-card-cvc', label: 'Security code (CVC)', autocomplete: 'cc-csc', placeholder: '123', max: 4 },
  ];

  /** Links the style sheet once; resolves when it can be seen. */
  let styled;
  function style() {
    styled ??= new Promise((resolve) => {
      const link = make('link', { rel: 'stylesheet', href: `${base}/stripe.css` });
      link.addEventListener('load', resolve, { once: true });
      link.addEventListener('error', resolve, { once: true });
      document.head.append(link);
    });
    return styled;
  }

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  /** Calls the fake; answers `{object}` or `{error}` as Stripe words it, also when the network fails. */
  async function call(method, path, parameters) {
    const form = new URLSearchParams(parameters);
    const url = method === 'GET' ? `${base}${path}?${form}` : `${base}${path}`;
    try {
      const answer = await fetch(url, { method, body: method === 'GET' ? undefined : form });
      const body = await answer.json();
      return answer.ok ? { object: body } : { error: body.error };
    } catch {
      return { error: { type: 'api_connection_error', message: 'The payment service cannot be reached. Please try again.' } };
    }
  }

  function problem(code, message) {
    return { type: 'validation_error', code, message };
  }

  /** A form of card fields, as the Payment Element shows it. */
  class PaymentElement {
    #root = null;
    #inputs = {};
    #error = null;
    #listeners = new Map();

    mount(target) {
      const parent = typeof target === 'string' ? document.querySelector(target) : target;
      if (!parent) throw new Error(`The selector you specified (${target}) applies to no DOM elements that are currently on the page.`);
      this.#root = this.#build();
      parent.replaceChildren(this.#root);
      style().then(() => this.#tell('ready', {}));
      return this;
    }

    unmount() { this.#root?.remove(); }
    destroy() { this.unmount(); this.#listeners.clear(); }
    focus() { this.#inputs.number?.focus(); }
    blur() { document.activeElement?.blur(); }
    clear() { for (const input of Object.values(this.#inputs)) input.value = ''; }
    update() {}
    collapse() {}

    on(event, listener) {
      this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
      return this;
    }

    once(event, listener) {
      const first = (detail) => { this.off(event, first); listener(detail); };
      return this.on(event, first);
    }

    off(event, listener) {
      this.#listeners.set(event, (this.#listeners.get(event) ?? []).filter((known) => known !== listener));
      return this;
    }

    /** The typed card, or what is wrong with it; marks the field. */
    read() {
      const values = Object.fromEntries(Object.entries(this.#inputs).map(([name, input]) => [name, input.value.trim()]));
      const number = values.number.replace(/\s/g, '');
      const expiry = /^(\d{1,2})\s*\/?\s*(\d{2})$/.exec(values.expiry);
      const month = expiry ? Number(expiry[1]) : 0;
      const ends = expiry ? new Date(2000 + Number(expiry[2]), month, 1) : new Date(0);
      if (!/^\d{13,19}$/.test(number)) return this.#wrong('number', problem('incomplete_number', 'Your card number is incomplete.'));
      if (month < 1 || month > 12) return this.#wrong('expiry', problem('incomplete_expiry', "Your card's expiration date is incomplete."));
      if (ends <= new Date()) return this.#wrong('expiry', problem('invalid_expiry_year_past', "Your card's expiration year is in the past."));
      if (!/^\d{3,4}$/.test(values.cvc)) return this.#wrong('cvc', problem('incomplete_cvc', "Your card's security code is incomplete."));
      this.#mark(null, '');
      return { card: { number, exp_month: String(month), exp_year: String(2000 + Number(expiry[2])), cvc: values.cvc } };
    }

    #build() {
      this.#error = make('p', { class: 'fake-stripe-error', id: 'stripe-card-error', role: 'alert' });
      const fields = FIELDS.map((field) => this.#field(field));
      const hint = make('p', { class: 'fake-stripe-hint' }, 'Test cards only: 4242 4242 4242 4242 pays, 4000 0000 0000 0002 is declined, 4000 0025 0000 3155 asks for 3-D Secure.');
      return make('fieldset', { class: 'fake-stripe-form', id: 'stripe-payment-element' }, make('legend', {}, 'Card (test)'), ...fields, this.#error, hint);
    }

    #field({ name, id, label, autocomplete, placeholder, max }) {
      const input = make('input', {
        id, name: id, autocomplete, placeholder, inputmode: 'numeric', maxlength: max, required: '', 'aria-describedby': 'stripe-card-error',
      });
      input.addEventListener('input', () => this.#tell('change', { complete: Object.values(this.#inputs).every((field) => field.value !== ''), empty: false, value: { type: 'card' } }));
      this.#inputs[name] = input;
      return make('div', { class: 'fake-stripe-field' }, make('label', { for: id }, label), input);
    }

    #wrong(name, error) {
      this.#mark(name, error.message);
      return { error };
    }

    #mark(wrong, message) {
      for (const [name, input] of Object.entries(this.#inputs)) {
        if (name === wrong) input.setAttribute('aria-invalid', 'true');
        else input.removeAttribute('aria-invalid');
      }
      this.#error.textContent = message;
      if (wrong) this.#inputs[wrong].focus();
    }

    #tell(event, detail) {
      for (const listener of this.#listeners.get(event) ?? []) listener({ elementType: 'payment', ...detail });
    }
  }

  /** A group of elements; only `payment` has anything to show. */
  class Elements {
    #options;
    #element = null;
    submitted = null;

    constructor(options) {
      this.#options = { ...options };
    }

    create(type) {
      if (type !== 'payment') throw new Error(`This stand-in has no ${type} element.`);
      this.#element = new PaymentElement();
      return this.#element;
    }

    getElement(type) { return type === 'payment' ? this.#element : null; }
    update(options) { Object.assign(this.#options, options); }
    async fetchUpdates() { return {}; }

    /** Checks the form; must come before a confirmation token is made. */
    async submit() {
      const read = this.#element ? this.#element.read() : { error: problem('no_element', 'There is no card form.') };
      this.submitted = read.card ?? null;
      return read.error ? { error: read.error } : { selectedPaymentMethod: 'card' };
    }
  }

  /** Asks the buyer what a bank would ask; resolves to `complete` or `fail`. */
  async function challenge() {
    await style();
    const complete = make('button', { id: 'stripe-3ds-complete', value: 'complete' }, 'Complete');
    const fail = make('button', { id: 'stripe-3ds-fail', value: 'fail' }, 'Fail');
    const dialog = make(
      'dialog', { class: 'fake-stripe-dialog', id: 'stripe-3ds', 'aria-labelledby': 'stripe-3ds-title' },
      make('h2', { id: 'stripe-3ds-title' }, 'Is it you?'),
      make('p', {}, 'This dialog stands in for your bank. No money moves.'),
      make('form', { method: 'dialog' }, complete, fail),
    );
    document.body.append(dialog);
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener('close', () => {
        dialog.remove();
        // Closed without a choice counts as giving up.
        resolve(dialog.returnValue === 'complete' ? 'complete' : 'fail');
      }, { once: true });
    });
  }

  function intentPath(clientSecret) {
    return `/v1/payment_intents/${encodeURIComponent(String(clientSecret).split('_secret_')[0])}`;
  }

  /** Stripe's entry point. Options are taken and not needed. */
  function Stripe(publishableKey) {
    if (!/^pk_(test|live)_/.test(publishableKey ?? '')) throw new Error('Please call Stripe() with your publishable key. You used an empty or a secret one.');
    const key = publishableKey;

    async function retrievePaymentIntent(clientSecret) {
      const { object, error } = await call('GET', intentPath(clientSecret), { key, client_secret: clientSecret });
      return error ? { error } : { paymentIntent: object };
    }

    async function createConfirmationToken({ elements, params = {} }) {
      if (!elements?.submitted) {
        return { error: { type: 'invalid_request_error', message: 'elements.submit() must be called before stripe.createConfirmationToken().' } };
      }
      const { number, exp_month, exp_year, cvc } = elements.submitted;
      const parameters = { key, 'card[number]': number, 'card[exp_month]': exp_month, 'card[exp_year]': exp_year, 'card[cvc]': cvc };
      if (params.return_url) parameters.return_url = params.return_url;
      elements.submitted = null;
      const { object, error } = await call('POST', '/v1/confirmation_tokens', parameters);
      return error ? { error } : { confirmationToken: object };
    }

    async function handleNextAction({ clientSecret }) {
      const { paymentIntent, error } = await retrievePaymentIntent(clientSecret);
      if (error) return { error };
      if (paymentIntent.status !== 'requires_action') {
        return { error: { type: 'invalid_request_error', message: 'handleNextAction: The PaymentIntent supplied does not require any client actions.', payment_intent: paymentIntent } };
      }
      if (paymentIntent.next_action?.type === 'redirect_to_url') {
        window.location.assign(paymentIntent.next_action.redirect_to_url.url);
        return new Promise(() => {});
      }
      const outcome = await challenge();
      const answer = await call('POST', `${intentPath(clientSecret)}/authenticate`, { key, client_secret: clientSecret, outcome });
      if (answer.error) return { error: answer.error };
      const after = answer.object;
      return after.status === 'requires_payment_method' ? { error: { ...after.last_payment_error, payment_intent: after } } : { paymentIntent: after };
    }

    return { elements: (options) => new Elements(options), createConfirmationToken, handleNextAction, retrievePaymentIntent };
  }

  window.Stripe = Stripe;
})();
