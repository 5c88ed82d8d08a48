/**
 * The payment page: the order, the card form, Pay.
 *
 * One press makes one confirmation token and one key. While the answer to that pair is not known, pressing again sends
 * the same pair; only a certain refusal lets the next press make new ones. So nobody pays twice by being impatient.
 */

import { Problem, giveBack, orderNamed, payOrder, saleNamed } from './api.js';
import { addressOf, orderPage, salePage } from './address.js';
import { Countdown } from './countdown.js';
import { Journey } from './journey.js';
import { inWords } from './money.js';
import { entitle, fill, note, once, part, show, warn } from './page.js';
import { patiently, untilAnswered } from './patience.js';
import { CardForm, PaymentRefused } from './payment.js';
import { lineRows } from './prices.js';
import { sentenceFor } from './problems.js';

const { slug } = addressOf();
const WANTS_ANSWER = 'requires_action';
const REFUSED = new Set(['requires_payment_method', 'canceled']);

/** @param {Problem} problem */
const waitingHeard = (problem) => note(sentenceFor(problem));

/** One order being paid. */
class Checkout {
  #sale;
  #journey;
  #known;
  #order;
  /** @type {CardForm | null} */
  #form = null;
  /** @type {{key: string, body: {confirmation_token: string}} | null} the pair whose answer is not known yet */
  #attempt = null;
  #clock;

  /** @param {any} sale @param {Journey} journey @param {any} order */
  constructor(sale, journey, order) {
    this.#sale = sale;
    this.#journey = journey;
    this.#known = /** @type {NonNullable<import('./journey.js').Steps['order']>} */ (journey.steps.order);
    this.#order = order;
    this.#clock = new Countdown({
      tick: (face) => fill('order-clock', face),
      warning: (seconds) => warn(`${seconds} seconds left to pay. Then the tickets go back on sale.`),
      over: () => this.#refresh(),
    });
  }

  /** Shows the order and mounts the card form. */
  async open() {
    entitle('Payment', this.#sale.name);
    part('lines').replaceChildren(...lineRows(this.#order.lines));
    fill('total', inWords(this.#order.total));
    part('pay').textContent = `Pay ${inWords(this.#order.total)}`;
    part('give-back').hidden = !(this.#known.hold && this.#journey.steps.pass);
    this.#clock.until(this.#order.expires_at);
    show('checkout');
    part('paying').addEventListener('submit', (event) => {
      event.preventDefault();
      once(part('pay'), () => this.#say(() => this.#pay()));
    });
    part('give-back').addEventListener('click', () => once(part('give-back'), () => this.#say(() => this.#giveBack())));
    await this.#say(() => this.#mount());
  }

  async #mount() {
    const payment = this.#order.payment ?? this.#known.payment;
    this.#form = await CardForm.mount(payment, this.#order.total, part('payment'));
    /** @type {HTMLButtonElement} */ (part('pay')).disabled = false;
  }

  async #pay() {
    if (!this.#form) return;
    this.#attempt ??= await this.#newAttempt(this.#form);
    const { key, body } = this.#attempt;
    const { payment } = await patiently(() => payOrder(this.#sale.id, this.#order.id, this.#known.token, key, body), waitingHeard);
    this.#attempt = null;
    if (REFUSED.has(payment?.status)) throw new Problem({ code: 'payment_declined' });
    if (payment?.status === WANTS_ANSWER) await this.#form.answerBank(payment.client_secret);
    this.#leave();
  }

  /** @param {CardForm} form */
  async #newAttempt(form) {
    const returnUrl = new URL(orderPage(slug, this.#order.id), location.href).href;
    return { key: crypto.randomUUID(), body: { confirmation_token: await form.confirmationToken(returnUrl) } };
  }

  #leave() {
    this.#journey.remember({ order: { ...this.#known, submittedAt: Date.now() } });
    location.assign(orderPage(slug, this.#order.id));
  }

  async #giveBack() {
    const { pass } = this.#journey.steps;
    if (this.#known.hold && pass) await patiently(() => giveBack(this.#sale.id, this.#known.hold ?? '', pass.token), waitingHeard);
    this.#journey.forget('order', 'hold');
    location.assign(salePage(slug));
  }

  /** What became of the order, the server knows. What was said before stays: it is why somebody asks. */
  async #refresh() {
    try {
      this.#order = await patiently(() => orderNamed(this.#sale.id, this.#order.id, this.#known.token), waitingHeard);
      if (this.#order.state === 'awaiting_payment') this.#clock.until(this.#order.expires_at);
      else if (part('pay').getAttribute('aria-disabled') !== 'true') settle(this.#order);
    } catch (failure) {
      warn(sentenceFor(failure));
    } finally {
      note('');
    }
  }

  /** Does it, and says what it was refused for. @param {() => Promise<void>} work */
  async #say(work) {
    warn('');
    note('');
    try {
      await work();
    } catch (failure) {
      this.#refused(failure);
    } finally {
      note('');
    }
  }

  /** @param {unknown} failure */
  #refused(failure) {
    const isCertain = failure instanceof Problem && !failure.isUncertain;
    if (isCertain) this.#attempt = null;
    warn(failure instanceof PaymentRefused ? failure.message : sentenceFor(this.#attempt ? 'payment_unknown' : failure));
    if (isCertain && failure.status === 409) this.#refresh();
  }
}

/** What an order that cannot be paid here any more leads to. @param {any} order */
function settle(order) {
  if (order.state !== 'expired' && order.state !== 'cancelled') {
    location.replace(orderPage(slug, order.id));
    return;
  }
  document.title = 'Order over';
  if (order.attempt?.reason === 'card_limit') warn(sentenceFor('card_limit_reached'));
  else warn(order.state === 'expired' ? sentenceFor('order_expired') : '');
  fill('ended-message', 'This order is over. Nothing more is charged for it.');
  show('ended');
}

async function start() {
  const back = /** @type {HTMLAnchorElement} */ (part('back'));
  back.href = salePage(slug);
  try {
    const sale = await untilAnswered(() => saleNamed(slug), waitingHeard);
    fill('name', sale.name);
    const journey = new Journey(sale.id);
    const known = journey.steps.order;
    if (!known) {
      fill('ended-message', 'This browser has no order for this sale.');
      show('ended');
      return;
    }
    const order = await untilAnswered(() => orderNamed(sale.id, known.id, known.token), waitingHeard);
    note('');
    if (order.state === 'awaiting_payment') await new Checkout(sale, journey, order).open();
    else settle(order);
  } catch (failure) {
    warn(sentenceFor(failure));
    show('ended');
  }
}

// Taken from the back/forward cache, the form and its clock would be as old as the page.
addEventListener('pageshow', (event) => event.persisted && location.reload());
await start();
