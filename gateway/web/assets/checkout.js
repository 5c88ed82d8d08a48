/**
 * The payment page: the order, the card form, Pay.
 *
 * | the order's attempt | what is asked for |
 * |---|---|
 * | is under way: the bank asks, or nobody knows what came of it | nothing: one button goes on with it, without a card |
 * | all others | a card |
 *
 * Another card cannot be used while one is under way: it would be a second payment of one order. Who says no at the bank, or
 * whose bank does, is asked for a card here; so is everybody whose payment turns out to be over when they go on with it.
 *
 * Going on needs our API alone: the provider's script is waited for only where a card is asked for, or the bank asks. Where it could
 * not be loaded, the next press that needs it tries again.
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
import { BankRefused, PaymentRefused, Provider } from './payment.js';
import { lineRows } from './prices.js';
import { sentenceFor } from './problems.js';

const { slug } = addressOf();
const WANTS_ANSWER = 'requires_action';
/** When the server has heard of what the bank said, as a rule; and how often the page looks. */
const BANK_HEARD_MS = 5_000;
const BANK_LOOKS_MAX = 12;
/** The states of an attempt of which nothing comes any more. */
const ENDED = new Set(['failed', 'cancelled']);
/** What is said of a payment that the answer to Pay shows to be over. @type {Record<string, string>} */
const OVER = { requires_payment_method: 'payment_declined', canceled: 'payment_over' };
/** What a person reads of an attempt that is under way, by where it is. @type {Record<string, string>} */
const UNDER_WAY = {
  requires_action: 'Your bank asks you to confirm this payment. You need not enter your card again: go on, and your bank asks once more. To pay with another card, say no to your bank first.',
  planned: 'We do not know yet whether your payment went through. Go on to find out: you need not enter your card again, and you are not charged twice.',
  processing: 'Your bank is still working on your payment. Go on to see how it stands: you need not enter your card again, and you are not charged twice.',
};
/** What going on is answered when there is nothing to go on with. */
const NOTHING_UNDER_WAY = 'validation_failed';
/** What is said of a payment that is over, when another may be made. */
const CARD_WANTED = new Set(['payment_declined', NOTHING_UNDER_WAY]);

/** @param {Problem} problem */
const waitingHeard = (problem) => note(sentenceFor(problem));

/** One order being paid. */
class Checkout {
  #sale;
  #journey;
  #known;
  #order;
  /** The provider's script, on its way or here. @type {Promise<Provider> | null} */
  #provider = null;
  /** @type {import('./payment.js').CardForm | null} */
  #form = null;
  /** Whether a payment is under way that can be gone on with. */
  #goesOn = false;
  /** @type {{key: string, body: {confirmation_token?: string}} | null} the pair whose answer is not known yet */
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

  /** Shows the order, and what is needed to pay it. */
  async open() {
    entitle('Payment', this.#sale.name);
    part('lines').replaceChildren(...lineRows(this.#order.lines));
    fill('total', inWords(this.#order.total));
    part('give-back').hidden = !(this.#known.hold && this.#journey.steps.pass);
    this.#clock.until(this.#order.expires_at);
    this.#ask(this.#order.attempt?.state);
    show('checkout');
    const pay = /** @type {HTMLButtonElement} */ (part('pay'));
    pay.disabled = !this.#goesOn;
    part('paying').addEventListener('submit', (event) => {
      event.preventDefault();
      once(part('pay'), () => this.#say(() => this.#pay()));
    });
    part('give-back').addEventListener('click', () => once(part('give-back'), () => this.#say(() => this.#giveBack())));
    // Where a payment goes on the script comes meanwhile: the bank may ask. Whether it came is found out then.
    if (this.#goesOn) this.#provided().catch(() => {});
    else await this.#say(() => this.#mount());
    pay.disabled = false;
  }

  /** The provider's script, loaded once. */
  #provided() {
    this.#provider ??= Provider.load(this.#order.payment ?? this.#known.payment).catch((failure) => {
      this.#provider = null;
      throw failure;
    });
    return this.#provider;
  }

  /** Brings the form for a card. */
  async #mount() {
    const provider = await this.#provided();
    this.#form ??= provider.mount(this.#order.total, part('payment'));
  }

  /** Asks for what the next press needs: nothing while a payment is under way, else a card. @param {string} [attempt] where it is */
  #ask(attempt = '') {
    const underWay = UNDER_WAY[attempt] ?? '';
    this.#goesOn = underWay !== '';
    fill('under-way', underWay);
    part('payment').hidden = this.#goesOn;
    part('pay').textContent = this.#goesOn ? 'Go on with the payment' : `Pay ${inWords(this.#order.total)}`;
  }

  async #pay() {
    if (!this.#goesOn && !this.#form) {
      await this.#mount();
      return;
    }
    this.#attempt ??= await this.#newAttempt();
    const { key, body } = this.#attempt;
    const { payment } = await patiently(() => payOrder(this.#sale.id, this.#order.id, this.#known.token, key, body), waitingHeard);
    this.#attempt = null;
    const over = OVER[payment?.status];
    if (over) throw new BankRefused(sentenceFor(over));
    if (payment?.status === WANTS_ANSWER) {
      this.#ask(WANTS_ANSWER);
      await (await this.#provided()).answerBank(payment.client_secret);
    }
    this.#leave();
  }

  async #newAttempt() {
    const key = crypto.randomUUID();
    if (this.#goesOn || !this.#form) return { key, body: {} };
    const returnUrl = new URL(orderPage(slug, this.#order.id), location.href).href;
    return { key, body: { confirmation_token: await this.#form.confirmationToken(returnUrl) } };
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

  /** What the bank said reaches the server by another way, and takes back the time that was the bank's. */
  async #looksUntilHeard() {
    for (let look = 0; look < BANK_LOOKS_MAX; look += 1) {
      await new Promise((resolve) => setTimeout(resolve, BANK_HEARD_MS));
      await this.#refresh();
      if (this.#order.state !== 'awaiting_payment' || ENDED.has(this.#order.attempt?.state)) return;
    }
  }

  /** Does it, and says what it was refused for. @param {() => Promise<void>} work */
  async #say(work) {
    warn('');
    note('');
    try {
      await work();
    } catch (failure) {
      await this.#refused(failure);
    } finally {
      note('');
    }
  }

  /** @param {unknown} failure */
  async #refused(failure) {
    const isCertain = failure instanceof Problem && !failure.isUncertain;
    if (isCertain) this.#attempt = null;
    const wentOn = this.#goesOn;
    if (failure instanceof BankRefused || (isCertain && CARD_WANTED.has(failure.code))) this.#ask();
    warn(this.#wordsFor(failure, wentOn));
    if (isCertain && [400, 402, 409].includes(failure.status)) this.#refresh();
    if (failure instanceof BankRefused) this.#looksUntilHeard();
    // The form is wanted only now. Where its script does not come, that is what keeps somebody from paying.
    if (wentOn && !this.#goesOn) await this.#mount().catch((away) => warn(this.#wordsFor(away, wentOn)));
  }

  /** Why somebody reads that it did not work. @param {unknown} failure @param {boolean} wentOn whether a payment was gone on with */
  #wordsFor(failure, wentOn) {
    if (failure instanceof PaymentRefused) return failure.message;
    if (this.#attempt) return sentenceFor('payment_unknown');
    const isOver = wentOn && failure instanceof Problem && failure.code === NOTHING_UNDER_WAY;
    return sentenceFor(isOver ? 'payment_over' : failure);
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
