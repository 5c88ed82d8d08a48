/**
 * From a turn to an order: the views `choose`, `details` and `ordered`, and what is done in them.
 *
 * Loaded beside the waiting room, not before it: nobody needs it in the first seconds.
 */

import { Problem } from './api.js';
import { checkoutPage, orderPage } from './address.js';
import { Choosing } from './choosing.js';
import { msUntil } from './clock.js';
import { on } from './control.js';
import { Countdown } from './countdown.js';
import { extend, heldStill, order, orderedStill, release, resend, take } from './holding.js';
import { inWords } from './money.js';
import { dismiss, element, entitle, fill, markFaults, note, part, say, show, shownView, warn } from './page.js';
import { patiently } from './patience.js';
import { sentenceFor } from './problems.js';
import { standsStill } from './standstill.js';
import { spanInWords } from './times.js';
import { takeTurnBack, tellTurn } from './turn.js';

const WAITS_FOR_TURN = new Set(['prequeue', 'waiting']);

/** Tells, beside the view, that something takes longer and is tried again. @param {Problem} problem */
const waitingHeard = (problem) => note(sentenceFor(problem));

/**
 * @typedef {object} Room what the waiting room does for it
 * @property {string} slug
 * @property {() => Promise<void> | undefined} askPlace asks where the place stands now
 * @property {() => Promise<void>} resync asks about everything, and shows it
 * @property {() => void} render shows what is known
 */

/** One visitor's shopping in one sale. */
export class Shopping {
  #sale;
  #journey;
  #room;
  #choosing;
  /** @type {any} */
  #order = null;
  #shownHold = '';
  /** Whether the person reads that a turn passed; the next turn takes that back. */
  #lapsed = false;
  #turnClock;
  #holdClock;

  /** @param {any} sale @param {import('./journey.js').Journey} journey @param {Room} room */
  constructor(sale, journey, room) {
    this.#sale = sale;
    this.#journey = journey;
    this.#room = room;
    this.#choosing = new Choosing(sale);
    this.#turnClock = new Countdown({
      tick: (face) => fill('turn-clock', face),
      warning: (seconds) => warn(`${seconds} seconds left to choose your tickets.`),
      over: () => room.askPlace(),
    });
    this.#holdClock = new Countdown({
      tick: (face) => fill('hold-clock', face),
      warning: (seconds) => warn(this.#holdWarning(seconds)),
      over: () => room.resync(),
    });
    on('choosing', 'submit', () => this.#take());
    on('ordering', 'submit', () => this.#placeOrder());
    on('extend', 'click', () => this.#extend());
    on('give-back', 'click', () => this.#giveBack());
    on('ordered-away', 'click', () => this.#leaveOrder());
  }

  /** Learns what became of a press that had no answer. */
  async recover() {
    try {
      await resend(this.#sale.id, this.#journey, waitingHeard);
    } catch (failure) {
      warn(sentenceFor(failure));
    }
  }

  /** Asks the server about the order and the hold that are remembered. */
  async sync() {
    const { order: hadOrder, hold: hadHold } = this.#journey.steps;
    try {
      this.#order = await patiently(() => orderedStill(this.#sale.id, this.#journey), waitingHeard);
      const hold = this.#order ? null : await patiently(() => heldStill(this.#sale.id, this.#journey), waitingHeard);
      note('');
      if (hadHold && !hadOrder && !hold) warn(sentenceFor('hold_expired'));
      if (hadOrder && !this.#order) warn(sentenceFor('order_expired'));
    } catch (failure) {
      warn(sentenceFor(failure));
    }
  }

  /** The view that an order or a hold calls for; empty when there is neither. */
  get view() {
    if (this.#order) return 'ordered';
    return this.#journey.steps.hold ? 'details' : '';
  }

  /**
   * Shows a view of its own, and puts away the others.
   * @param {string} view the one to be shown, here or elsewhere
   * @param {any} sale @param {any} position
   */
  show(view, sale, position) {
    this.#sale = sale;
    if (view !== 'choose') this.#leaveChoose(position);
    if (view !== 'details') this.#holdClock.stop();
    if (view === 'ordered') this.#showOrdered();
    if (view === 'details') this.#showDetails(this.#journey.steps.hold, position);
    if (view === 'choose') this.#showChoose(position);
  }

  /** @param {any} position */
  #showChoose(position) {
    const { pass } = this.#journey.steps;
    entitle('Your turn!', this.#sale.name);
    if (shownView() !== 'choose') dismiss('leaving');
    tellTurn(this.#sale.name, pass ? spanInWords(msUntil(pass.expires_at)) : '');
    if (this.#lapsed) warn('');
    this.#lapsed = false;
    this.#choosing.refresh(this.#sale.tiers);
    fill('turn-words', standsStill(position) ? 'The clock stands still. When the sale goes on, you can take tickets for another' : 'Choose your tickets within');
    if (pass) this.#turnClock.follow(pass.expires_at, standsStill(position));
    show('choose');
  }

  /** @param {any} position */
  #leaveChoose(position) {
    takeTurnBack();
    this.#turnClock.stop();
    if (shownView() !== 'choose' || !WAITS_FOR_TURN.has(position?.state)) return;
    this.#lapsed = true;
    warn('Your turn passed without tickets being taken. You keep your place and get another turn.');
  }

  /** @param {any} hold @param {any} position */
  #showDetails(hold, position) {
    entitle('Your details', this.#sale.name);
    if (this.#shownHold !== hold.id) part('held').replaceChildren(...this.#heldEntries(hold.items));
    this.#shownHold = hold.id;
    fill('hold-total', inWords(hold.total));
    fill('order-button', hold.total.amount === 0 ? 'Get the tickets' : 'Continue to payment');
    fill('hold-words', standsStill(position) ? 'The clock stands still. Held for you for another' : 'Held for you for another');
    part('extend').hidden = !hold.extensions_left;
    this.#holdClock.follow(hold.expires_at, standsStill(position));
    show('details');
  }

  /** One entry a tier. @param {{tier: string, seat: string | null}[]} items */
  #heldEntries(items) {
    return this.#sale.tiers
      .map((/** @type {any} */ { id, name }) => ({ name, units: items.filter(({ tier }) => tier === id) }))
      .filter((/** @type {any} */ { units }) => units.length > 0)
      .map((/** @type {any} */ { name, units }) => {
        const seats = units.map((/** @type {any} */ { seat }) => seat).filter(Boolean).join(', ');
        return element('li', {}, `${units.length} × ${name}${seats ? `: ${seats}` : ''}`);
      });
  }

  #showOrdered() {
    const unpaid = this.#order.state === 'awaiting_payment';
    entitle(unpaid ? 'Payment' : 'Your order', this.#sale.name);
    fill('ordered-title', unpaid ? 'Your order waits for payment' : 'You have an order here');
    fill('ordered-message', unpaid ? 'Your tickets are held for you until then.' : 'Its tickets and its state are on a page of its own.');
    const link = /** @type {HTMLAnchorElement} */ (part('ordered-link'));
    link.href = unpaid ? checkoutPage(this.#room.slug) : orderPage(this.#room.slug, this.#order.id);
    link.textContent = unpaid ? 'Continue to payment' : 'Show the order';
    part('ordered-away').textContent = unpaid ? 'Give the tickets back' : 'Buy more tickets';
    show('ordered');
  }

  async #take() {
    const { fault, items, nothingFree } = this.#choosing;
    if (fault) return warn(fault);
    if (nothingFree) return warn(sentenceFor('all_held'));
    try {
      await take(this.#sale.id, this.#journey, items, waitingHeard);
    } catch (failure) {
      if (failure instanceof Problem && failure.status === 401) await this.#room.askPlace();
      throw failure;
    }
    return this.#room.render();
  }

  async #placeOrder() {
    const form = /** @type {HTMLFormElement} */ (part('ordering'));
    const entered = new FormData(form);
    const buyer = { name: String(entered.get('name')).trim(), email: String(entered.get('email')).trim() };
    try {
      const made = await order(this.#sale.id, this.#journey, buyer, waitingHeard);
      location.assign(made.payment ? checkoutPage(this.#room.slug) : orderPage(this.#room.slug, made.id));
    } catch (failure) {
      if (!(failure instanceof Problem)) throw failure;
      markFaults(form, failure.errors);
      if (failure.status === 401 || failure.status === 404 || failure.status === 409) await this.#room.resync();
      throw failure;
    }
  }

  /** @param {number} seconds */
  #holdWarning(seconds) {
    const more = this.#journey.steps.hold?.extensions_left ? ' “More time” holds them for longer.' : '';
    return `${seconds} seconds left. Then these tickets go back on sale.${more}`;
  }

  async #extend() {
    try {
      await extend(this.#sale.id, this.#journey, waitingHeard);
    } catch (failure) {
      const isOver = failure instanceof Problem && (failure.code === 'hold_expired' || failure.status === 404);
      if (isOver) await this.#room.resync();
      throw failure;
    }
    this.#room.render();
    const { hold } = this.#journey.steps;
    say('status', `The tickets are held for you for another ${spanInWords(msUntil(hold.expires_at))}.`);
  }

  async #giveBack() {
    await patiently(() => release(this.#sale.id, this.#journey), waitingHeard);
    await this.#room.askPlace();
    await this.#room.resync();
  }

  async #leaveOrder() {
    if (this.#order?.state === 'awaiting_payment') return this.#giveBack();
    this.#journey.forget('order', 'hold', 'attempt');
    return this.#room.resync();
  }
}
