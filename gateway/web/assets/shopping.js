/**
 * From a turn to an order: the views `choose`, `details` and `ordered`, and what is done in them.
 *
 * Loaded beside the waiting room, not before it: nobody needs it in the first seconds.
 */

import { Problem } from './api.js';
import { checkoutPage, orderPage } from './address.js';
import { Choosing } from './choosing.js';
import { msUntil } from './clock.js';
import { doAt, on } from './control.js';
import { Countdown } from './countdown.js';
import { extend, heldStill, order, orderedStill, release, resend, take } from './holding.js';
import { inWords } from './money.js';
import { alternativeInWords, hideOffers, showOffers } from './offers.js';
import { dismiss, element, entitle, fill, markFaults, note, part, say, show, shownView, warn } from './page.js';
import { patiently } from './patience.js';
import { sentenceFor } from './problems.js';
import { Restock } from './restock.js';
import { seatNamesIn } from './seat_words.js';
import { standsStill } from './standstill.js';
import { spanInWords } from './times.js';
import { takeTurnBack, tellTurn } from './turn.js';
import { unitsByTier } from './units.js';

const FASTER = 'Someone was a moment faster, and these tickets are gone. Nothing was charged.';
const CHOSEN_AGAIN = 'The same is chosen below: while your turn lasts and it is free, you can hold it again.';
const AS_MANY_CHOSEN = 'As many are chosen below: while your turn lasts you can hold the best that are free, which may be other seats.';
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
  #restock = new Restock((isWaiting) => this.#wait(isWaiting));
  /** A hold that was lost and is still to be told of. @type {{hold: any, problem: Problem} | null} */
  #loss = null;
  #turnClock;
  #holdClock;

  /** @param {any} sale @param {import('./journey.js').Journey} journey @param {Room} room */
  constructor(sale, journey, room) {
    this.#sale = sale;
    this.#journey = journey;
    this.#room = room;
    this.#choosing = new Choosing(sale, () => this.#restock.stop());
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
      if (hadHold && !hadOrder && !hold) this.#lose(hadHold);
      if (hadOrder && !this.#order) warn(sentenceFor('order_expired'));
    } catch (failure) {
      warn(sentenceFor(failure));
    }
  }

  /** News of seats, for those who choose them. @param {import('./seat_plan.js').Delta} delta */
  hearSeats(delta) {
    this.#choosing.hear(delta);
  }

  /** How news comes. @param {'live' | 'polled' | 'none'} link */
  link(link) {
    this.#choosing.link(link);
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
    this.#choosing.show(view === 'choose');
    if (view !== 'choose') this.#leaveChoose(position);
    if (view !== 'details') this.#holdClock.stop();
    if (view === 'ordered') this.#showOrdered();
    if (view === 'details') this.#showDetails(this.#journey.steps.hold, position);
    if (view === 'choose') this.#showChoose(position);
    if (view !== 'loading') this.#tellLoss(view);
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
    if (this.#choosing.isAllHeld) this.#waitForAny();
    this.#restock.refresh(this.#sale.tiers);
    fill('turn-words', standsStill(position) ? 'The clock stands still. When the sale goes on, you can take tickets for another' : 'Choose your tickets within');
    if (pass) this.#turnClock.follow(pass.expires_at, standsStill(position));
    show('choose');
  }

  /** @param {any} position */
  #leaveChoose(position) {
    takeTurnBack();
    this.#turnClock.stop();
    this.#restock.stop();
    if (shownView() === 'choose') this.#clearChoose();
    if (shownView() !== 'choose' || !WAITS_FOR_TURN.has(position?.state)) return;
    this.#lapsed = true;
    warn('Your turn passed without tickets being taken. You keep your place and get another turn.');
  }

  /** @param {any} hold @param {any} position */
  #showDetails(hold, position) {
    entitle('Your details', this.#sale.name);
    if (this.#shownHold !== hold.id) part('held').replaceChildren(...unitsByTier(hold.items, this.#sale.tiers).map((units) => element('li', {}, units)));
    this.#shownHold = hold.id;
    fill('hold-total', inWords(hold.total));
    fill('order-button', hold.total.amount === 0 ? 'Get the tickets' : 'Continue to payment');
    fill('hold-words', standsStill(position) ? 'The clock stands still. Held for you for another' : 'Held for you for another');
    part('extend').hidden = !hold.extensions_left;
    this.#holdClock.follow(hold.expires_at, standsStill(position));
    show('details');
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

  /** @param {'together' | 'apart'} [groups] */
  async #take(groups) {
    const { fault } = this.#choosing;
    if (fault) return warn(fault);
    const items = this.#choosing.items(groups);
    this.#clearChoose();
    try {
      await this.#choosing.whileTaking(() => take(this.#sale.id, this.#journey, items, waitingHeard));
    } catch (failure) {
      if (!(failure instanceof Problem)) throw failure;
      if (failure.status === 401) await this.#room.askPlace();
      if (!this.#isAnswered(failure, items)) throw failure;
    }
    return this.#room.render();
  }

  /**
   * Whether there is something to offer instead of what was refused.
   * @param {Problem} problem @param {import('./choosing.js').Item[]} items
   */
  #isAnswered(problem, items) {
    switch (problem.code) {
      case 'all_held':
        this.#restock.waitFor(this.#choosing.wishes);
        return true;
      case 'none_together':
        this.#offerApart();
        return true;
      case 'seat_taken':
        this.#offerOthers(this.#goneInWords(this.#giveUp(problem, items)), problem);
        return true;
      case 'too_few_left':
        this.#offerOthers(sentenceFor(problem), problem);
        return true;
      default:
        return false;
    }
  }

  #offerApart() {
    showOffers('No row has so many seats side by side any more.', [
      { words: 'Take the best seats, though apart', take: () => doAt(part('take'), () => this.#take('apart')) },
      { words: 'Choose the seats yourself', focus: 'by-name', take: () => this.#choosing.chooseByName() },
    ]);
  }

  /** Takes the choice of those seats back that were refused. @param {Problem} problem @param {import('./choosing.js').Item[]} items */
  #giveUp({ errors }, items) {
    return items
      .flatMap((item, index) => ('seats' in item ? [this.#choosing.giveUp(item.tier, seatNamesIn(errors, index, item.seats))] : []))
      .filter(Boolean)
      .join(', ');
  }

  /** @param {string} seats that were given up; none where seats are not chosen by name */
  #goneInWords(seats) {
    if (!seats) return FASTER;
    return `Someone was a moment faster: ${seats}.${this.#choosing.fault ? '' : ' What else you chose is still chosen.'}`;
  }

  /** @param {string} what is gone @param {Problem} problem */
  #offerOthers(what, { alternatives }) {
    const offers = alternatives.map((/** @type {import('./api.js').Alternative} */ alternative) => {
      const { name } = this.#sale.tiers.find((/** @type {any} */ { id }) => id === alternative.tier) ?? { name: alternative.tier };
      return { words: alternativeInWords(alternative, name), take: () => this.#choosing.accept(alternative) };
    });
    showOffers(`${what} ${offers.length > 0 ? 'You could have instead:' : 'Please choose again.'}`, offers);
  }

  /** What was said of the last try, or of the last hold. */
  #clearChoose() {
    hideOffers();
    say('loss', '');
  }

  /** Nothing is free: what may come back, and so what to wait for, may be something else by now. */
  #waitForAny() {
    if (this.#restock.isWaiting) this.#restock.waitOnFor(this.#choosing.wishes);
    else this.#restock.waitFor(this.#choosing.wishes);
  }

  /** Nothing can be held while too few are free. @param {boolean} isWaiting */
  #wait(isWaiting) {
    const button = /** @type {HTMLButtonElement} */ (part('take'));
    const hadFocus = document.activeElement === button;
    button.disabled = isWaiting;
    if (isWaiting && hadFocus) part('restock').focus();
    if (!isWaiting && document.activeElement === part('restock')) button.focus();
  }

  /** A hold is gone, though nobody gave it back. @param {any} hold */
  #lose(hold) {
    const code = msUntil(hold.expires_at) <= 0 ? 'hold_expired' : 'hold_not_found';
    this.#loss ??= { hold, problem: new Problem({ code }) };
  }

  /** Tells of a hold that was lost; where the turn goes on, the like of it is chosen again. @param {string} view */
  async #tellLoss(view) {
    const loss = this.#loss;
    this.#loss = null;
    if (!loss) return;
    if (view !== 'choose') {
      warn(sentenceFor(loss.problem));
      return;
    }
    warn('');
    const isSame = await this.#choosing.restore(loss.hold);
    if (shownView() !== 'choose') return;
    if (loss.problem.code === 'seat_taken') this.#offerOthers(FASTER, loss.problem);
    else say('loss', `${sentenceFor(loss.problem)} You had ${unitsByTier(loss.hold.items, this.#sale.tiers).join('; ')}. ${isSame ? CHOSEN_AGAIN : AS_MANY_CHOSEN}`);
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
      if (failure.code === 'seat_taken') this.#loss = { hold: this.#journey.steps.hold, problem: failure };
      if (failure.status === 401 || failure.status === 404 || failure.status === 409) await this.#room.resync();
      // A hold that is gone by then was told of, with the reason.
      if (this.#journey.steps.hold) throw failure;
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
      if (this.#journey.steps.hold) throw failure;
    }
    this.#room.render();
    const { hold } = this.#journey.steps;
    if (hold) say('status', `The tickets are held for you for another ${spanInWords(msUntil(hold.expires_at))}.`);
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
