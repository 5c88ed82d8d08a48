/**
 * The page of one sale: from joining to an order.
 *
 * Which view is shown is a function of what is known, never of the button pressed last:
 *
 * | known                         | view    |
 * |-------------------------------|---------|
 * | an order                      | ordered |
 * | a hold                        | details |
 * | a position that is admitted   | choose  |
 * | a place, and the sale is not over | queue |
 * | nothing                       | lobby   |
 *
 * So a reload, a second tab, the back button and a lost connection all end in the right view: `resync` asks the server
 * about what the journey remembers, `render` shows it. A press whose answer never came is sent again once, by `recover`,
 * when the page is opened; another tab's press is that tab's business.
 */

import { Problem, joinQueue, leaveQueue, saleNamed } from './api.js';
import { addressOf, checkoutPage, orderPage } from './address.js';
import { withAvailability } from './availability.js';
import { Choosing } from './choosing.js';
import { Countdown } from './countdown.js';
import { heldStill, order, orderedStill, release, resend, take } from './holding.js';
import { Journey } from './journey.js';
import { Lobby, isOver } from './lobby.js';
import { inWords } from './money.js';
import { confirmed, element, entitle, fill, markFaults, note, once, part, show, shownView, warn } from './page.js';
import { patiently, untilAnswered } from './patience.js';
import { sentenceFor } from './problems.js';
import { PlaceWatch } from './queue.js';
import { momentInWords } from './times.js';
import { offerReminder, takeTurnBack, tellTurn } from './turn.js';
import { Waiting } from './waiting.js';

const { slug } = addressOf();
const BEFORE_OPENING = new Set(['scheduled', 'prequeue']);
const PLACE_OVER = new Set(['left', 'expired']);
const WAITS_FOR_TURN = new Set(['prequeue', 'waiting']);

/** Tells, beside the view, that something takes longer and is tried again. @param {Problem} problem */
const waitingHeard = (problem) => note(sentenceFor(problem));

/** One visitor's visit to one sale. */
class Visit {
  #sale;
  #journey;
  #lobby;
  #waiting;
  #choosing;
  /** @type {PlaceWatch | null} */
  #watch = null;
  /** @type {any} */
  #position = null;
  /** @type {any} */
  #order = null;
  #shownHold = '';
  /** Whether the person reads that a turn passed; the next turn takes that back. */
  #lapsed = false;
  #turnClock;
  #holdClock;
  #syncing = Promise.resolve();

  /** @param {any} sale */
  constructor(sale) {
    this.#sale = sale;
    this.#journey = new Journey(sale.id);
    this.#lobby = new Lobby(sale, (fresh) => this.#refreshed(fresh));
    this.#waiting = new Waiting(this.#journey);
    this.#choosing = new Choosing(sale);
    this.#turnClock = new Countdown({
      tick: (face) => fill('turn-clock', face),
      warning: (seconds) => warn(`${seconds} seconds left to choose your tickets.`),
      over: () => this.#watch?.resync(),
    });
    this.#holdClock = new Countdown({
      tick: (face) => fill('hold-clock', face),
      warning: (seconds) => warn(`${seconds} seconds left. Then these tickets go back on sale.`),
      over: () => this.resync(),
    });
    this.#listen();
  }

  /** Learns what became of a press that had no answer, then of everything else. */
  async recover() {
    try {
      await resend(this.#sale.id, this.#journey, waitingHeard);
    } catch (failure) {
      warn(sentenceFor(failure));
    }
    await this.resync();
  }

  /** Asks the server about everything remembered, one such round at a time, and shows what is true. */
  resync() {
    this.#syncing = this.#syncing.then(() => this.#sync());
    return this.#syncing;
  }

  async #sync() {
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
    this.#follow();
    this.#render();
  }

  /** Follows the place that leads somewhere, if there is one; another tab may have left it or taken a new one. */
  #follow() {
    const place = isOver(this.#sale) ? undefined : this.#journey.steps.place;
    if (this.#watch?.place === place?.token) return;
    this.#watch?.stop();
    this.#watch = place ? this.#newWatch(place.token) : null;
  }

  /** @param {string} token */
  #newWatch(token) {
    return new PlaceWatch(this.#sale.id, token, {
      position: (position) => this.#moved(position),
      notice: (text) => { part('announcement').textContent = text; },
      trouble: (problem) => note(problem ? sentenceFor(problem) : ''),
      lost: () => this.#lostPlace('place_invalid'),
    });
  }

  /** @param {any} position */
  #moved(position) {
    if (PLACE_OVER.has(position.state)) return this.#lostPlace(position.state === 'expired' ? 'place_over' : '');
    this.#position = position;
    this.#sale = {
      ...this.#sale,
      state: position.sale_state ?? this.#sale.state,
      tiers: withAvailability(this.#sale.tiers, position.availability),
    };
    if (position.pass) this.#journey.remember({ pass: { token: position.pass, expires_at: position.pass_expires_at } });
    return this.#render();
  }

  /** @param {any} sale */
  #refreshed(sale) {
    this.#sale = sale;
    this.#render();
  }

  #render() {
    const view = this.#view();
    if (view !== 'lobby') this.#lobby.stop();
    if (view !== 'choose') this.#leaveChoose();
    if (view !== 'details') this.#holdClock.stop();
    if (view === 'ordered') this.#showOrdered();
    if (view === 'details') this.#showDetails(this.#journey.steps.hold);
    if (view === 'choose') this.#showChoose();
    if (view === 'queue') this.#showQueue();
    if (view === 'lobby') this.#showLobby();
  }

  #view() {
    const { place, hold } = this.#journey.steps;
    if (this.#order) return 'ordered';
    if (hold) return 'details';
    if (!place || isOver(this.#sale)) return 'lobby';
    return this.#position?.state === 'admitted' && this.#journey.steps.pass ? 'choose' : 'queue';
  }

  #showLobby() {
    entitle('', this.#sale.name);
    this.#lobby.show(this.#sale);
    show('lobby');
  }

  #showQueue() {
    entitle(this.#waiting.show(this.#position ?? {}, this.#sale.tiers), this.#sale.name);
    show('queue');
  }

  #showChoose() {
    entitle('Your turn!', this.#sale.name);
    tellTurn(this.#sale.name);
    if (this.#lapsed) warn('');
    this.#lapsed = false;
    this.#choosing.refresh(this.#sale.tiers);
    const { pass } = this.#journey.steps;
    if (pass) this.#turnClock.until(pass.expires_at);
    show('choose');
  }

  #leaveChoose() {
    takeTurnBack();
    this.#turnClock.stop();
    if (shownView() !== 'choose' || !WAITS_FOR_TURN.has(this.#position?.state)) return;
    this.#lapsed = true;
    warn('Your turn passed without tickets being taken. You keep your place and get another turn.');
  }

  /** @param {any} hold */
  #showDetails(hold) {
    entitle('Your details', this.#sale.name);
    if (this.#shownHold !== hold.id) part('held').replaceChildren(...this.#heldEntries(hold.items));
    this.#shownHold = hold.id;
    fill('hold-total', inWords(hold.total));
    fill('order-button', hold.total.amount === 0 ? 'Get the tickets' : 'Continue to payment');
    this.#holdClock.until(hold.expires_at);
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
    link.href = unpaid ? checkoutPage(slug) : orderPage(slug, this.#order.id);
    link.textContent = unpaid ? 'Continue to payment' : 'Show the order';
    part('ordered-away').textContent = unpaid ? 'Give the tickets back' : 'Buy more tickets';
    show('ordered');
  }

  /** A hold or an order outlives its place, and needs the pass. @param {string} code why, empty when the person wanted it */
  #lostPlace(code) {
    const { hold, order: made } = this.#journey.steps;
    this.#watch?.stop();
    this.#watch = null;
    this.#position = null;
    this.#journey.forget('place');
    if (!hold && !made) this.#journey.forget('pass');
    this.#render();
    if (code && shownView() === 'lobby') warn(sentenceFor(code));
  }

  #listen() {
    offerReminder();
    this.#on('join', 'click', () => this.#join());
    this.#on('leave', 'click', () => this.#leave());
    this.#on('resign', 'click', () => this.#leave());
    this.#on('choosing', 'submit', () => this.#take());
    this.#on('ordering', 'submit', () => this.#placeOrder());
    this.#on('give-back', 'click', () => this.#giveBack());
    this.#on('ordered-away', 'click', () => this.#leaveOrder());
    this.#journey.onOtherTab(() => this.resync());
    addEventListener('pageshow', (event) => event.persisted && this.resync());
  }

  /**
   * Runs the work behind a control once at a time, and says what it was refused for.
   * @param {string} id @param {'click' | 'submit'} type @param {() => Promise<void>} work
   */
  #on(id, type, work) {
    const control = part(id);
    control.addEventListener(type, (event) => {
      event.preventDefault();
      const pressed = event instanceof SubmitEvent ? event.submitter : null;
      once(pressed ?? control, async () => {
        warn('');
        try {
          await work();
        } catch (failure) {
          warn(sentenceFor(failure));
        } finally {
          note('');
        }
      });
    });
  }

  async #join() {
    const { place, position } = await patiently(() => joinQueue(this.#sale.id), waitingHeard);
    this.#journey.remember({ place: { token: place.token, number: place.number } });
    this.#follow();
    this.#moved({ ...position, state: position?.state ?? place.state });
  }

  async #leave() {
    if (!(await confirmed('leaving', 'leave'))) return;
    const { place } = this.#journey.steps;
    if (place) await patiently(() => leaveQueue(this.#sale.id, place.token), waitingHeard);
    this.#lostPlace('');
  }

  async #take() {
    const { fault, items, nothingFree } = this.#choosing;
    if (fault) return warn(fault);
    if (nothingFree) return warn(sentenceFor('all_held'));
    try {
      await take(this.#sale.id, this.#journey, items, waitingHeard);
    } catch (failure) {
      if (failure instanceof Problem && failure.status === 401) await this.#watch?.resync();
      throw failure;
    }
    return this.#render();
  }

  async #placeOrder() {
    const form = /** @type {HTMLFormElement} */ (part('ordering'));
    const entered = new FormData(form);
    const buyer = { name: String(entered.get('name')).trim(), email: String(entered.get('email')).trim() };
    try {
      const made = await order(this.#sale.id, this.#journey, buyer, waitingHeard);
      location.assign(made.payment ? checkoutPage(slug) : orderPage(slug, made.id));
    } catch (failure) {
      if (!(failure instanceof Problem)) throw failure;
      markFaults(form, failure.errors);
      if (failure.status === 401 || failure.status === 404 || failure.status === 409) await this.resync();
      throw failure;
    }
  }

  async #giveBack() {
    await patiently(() => release(this.#sale.id, this.#journey), waitingHeard);
    await this.#watch?.resync();
    await this.resync();
  }

  async #leaveOrder() {
    if (this.#order?.state === 'awaiting_payment') return this.#giveBack();
    this.#journey.forget('order', 'hold', 'attempt');
    return this.resync();
  }
}

async function start() {
  try {
    const sale = await untilAnswered(() => saleNamed(slug), waitingHeard);
    note('');
    fill('name', sale.name);
    const opens = BEFORE_OPENING.has(sale.state) ? `Sale opens ${momentInWords(sale.opens_at, sale.time_zone)}` : '';
    fill('facts', [sale.venue, opens].filter(Boolean).join(' · '));
    await new Visit(sale).recover();
  } catch (failure) {
    show('missing');
    warn(failure instanceof Problem && failure.status === 404 ? '' : sentenceFor(failure));
  }
}

await start();
