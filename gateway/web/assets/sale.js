/**
 * The page of one sale: the waiting room, from joining to the turn; what follows is shopping.js.
 *
 * Which view is shown is a function of what is known, never of the button pressed last:
 *
 * | known                              | view       |
 * |------------------------------------|------------|
 * | an order                           | `ordered`  |
 * | a hold                             | `details`  |
 * | a position that is admitted        | `choose`   |
 * | a registration for the draw        | `prequeue` |
 * | a place, and the sale is not over  | `queue`    |
 * | a place that ended                 | `over`     |
 * | nothing                            | `lobby`    |
 *
 * So a reload, a second tab, the back button and a lost connection all end in the right view: `resync` asks the server
 * about what the journey remembers, `render` shows it. A press whose answer never came is sent again once, by `recover`,
 * when the page is opened; another tab's press is that tab's business.
 */

import { Problem, leaveQueue, saleNamed } from './api.js';
import { addressOf, takeParameters } from './address.js';
import { withAvailability } from './availability.js';
import { on } from './control.js';
import { Draw } from './draw.js';
import { Joining } from './joining.js';
import { Journey } from './journey.js';
import { LEFT, LEAVING } from './leaving.js';
import { Lobby, isOver } from './lobby.js';
import { outlivesTheTab } from './memory.js';
import { confirmed, element, entitle, fill, note, part, say, show, warn } from './page.js';
import { delayMs, patiently, pause, untilAnswered } from './patience.js';
import { lentPlace, placeLink } from './place_link.js';
import { Prequeue } from './prequeue.js';
import { sentenceFor } from './problems.js';
import { PlaceWatch } from './queue.js';
import { pauseInWords } from './standstill.js';
import { alone } from './tabs.js';
import { lately } from './times.js';
import { offerCues } from './turn.js';
import { Waiting, nextSteps } from './waiting.js';

const { slug } = addressOf();
const PLACE_OVER = new Set(['left', 'expired']);
/** How often a part of the page that did not load is asked for before all of it is loaded again. */
const LOADS_MAX = 3;
/** @type {Record<string, {title: string, message: string, next: string}>} How a place ends. */
const ENDS = {
  left: LEFT.queue,
  unregistered: LEFT.prequeue,
  expired: {
    title: 'Your place has ended',
    message: 'Either your time inside was over, or nothing was heard of this page for more than half an hour.',
    next: 'You can join again. You then start at the end.',
  },
  unknown: {
    title: 'We do not know this place any more',
    message: 'The queue was set up anew, or the link to this place is not complete.',
    next: 'You can join again.',
  },
};

/** Tells, beside the view, that something takes longer and is tried again. @param {Problem} problem */
const waitingHeard = (problem) => note(sentenceFor(problem));

/** One visitor's visit to one sale. */
class Visit {
  #sale;
  #journey;
  #lobby;
  #joining;
  #prequeue;
  #waiting;
  #draw;
  /** @type {import('./shopping.js').Shopping | null} */
  #shopping = null;
  /** @type {PlaceWatch | null} */
  #watch = null;
  /** @type {any} */
  #position = null;
  /** How the place ended that this page stood at; empty when it did not. */
  #end = '';
  /** Whether nothing can be learned of the place right now. */
  #isCutOff = false;
  #syncing = Promise.resolve();

  /** @param {any} sale @param {Journey} journey */
  constructor(sale, journey) {
    this.#sale = sale;
    this.#journey = journey;
    this.#joining = new Joining(sale.id, waitingHeard);
    this.#lobby = new Lobby(sale, this.#joining, (fresh) => this.#refreshed(fresh));
    this.#prequeue = new Prequeue(() => this.#render());
    this.#waiting = new Waiting(sale, journey);
    this.#draw = new Draw(sale, journey, (fresh) => this.#refreshed(fresh));
    this.#listen();
  }

  /** Shows where the person is, once all that is remembered was asked about. */
  async begin() {
    const { hold, order, attempt } = this.#journey.steps;
    if (hold || order || attempt) await this.#loadShopping();
    await this.#shopping?.recover();
    await this.resync();
    await this.#loadShopping();
    this.#render();
  }

  /** Asks the server about everything remembered, one such round at a time, and shows what is true. */
  resync() {
    // One round that failed must not be the last.
    this.#syncing = this.#syncing.catch(() => {}).then(async () => {
      await this.#shopping?.sync();
      this.#follow();
      this.#render();
    });
    return this.#syncing;
  }

  /** What can be bought with a turn. When it cannot be loaded, a reload of the page finds everything again. */
  async #loadShopping() {
    for (let failures = 1; !this.#shopping; failures += 1) {
      try {
        const { Shopping } = await import('./shopping.js');
        this.#shopping ??= new Shopping(this.#sale, this.#journey, {
          slug, askPlace: () => this.#watch?.resync(), resync: () => this.resync(), render: () => this.#render(),
        });
      } catch {
        if (failures > LOADS_MAX && this.#position?.state === 'admitted') location.reload();
        await pause(delayMs(failures + 1));
      }
    }
  }

  /** Follows the place that leads somewhere, if there is one; another tab may have taken a new one. */
  #follow() {
    const { place, end = 'unknown' } = this.#journey.steps;
    if (this.#watch?.place === place?.token) return;
    // Another tab forgot it and knows why. The server may not: a registration that was left still looks like one.
    if (!place && this.#watch) {
      this.#ended(end);
      return;
    }
    this.#watch?.stop();
    this.#watch = place && !isOver(this.#sale) ? this.#newWatch(place) : null;
    this.#position = null;
    this.#end = '';
  }

  /** @param {{token: string, number?: number | null}} place */
  #newWatch(place) {
    return new PlaceWatch(this.#sale.id, place, {
      position: (position) => this.#moved(position),
      link: (link) => this.#linked(link),
      seats: (delta) => this.#shopping?.hearSeats(delta),
      trouble: (problem) => this.#troubled(problem),
      lost: () => this.#lostPlace('unknown'),
    });
  }

  /** @param {'live' | 'polled' | 'none'} link */
  #linked(link) {
    this.#waiting.showLink(link);
    this.#shopping?.link(link);
  }

  /** @param {Problem | null} problem */
  #troubled(problem) {
    note(problem ? sentenceFor(problem) : '');
    this.#isCutOff = problem !== null;
    if (!this.#position) this.#render();
  }

  /** @param {any} position */
  #moved(position) {
    if (PLACE_OVER.has(position.state)) return this.#lostPlace(position.state);
    const { pause: stood, epoch = position.epoch } = this.#position ?? {};
    this.#position = position;
    this.#sale = {
      ...this.#sale,
      state: position.sale_state ?? this.#sale.state,
      tiers: withAvailability(this.#sale.tiers, position.availability),
    };
    this.#keep(position);
    // The clocks of holds stood still too, and only the server knows what is left of them; in a new epoch it may have lost
    // them, and takes receipts for a while.
    const mustAsk = (stood && !position.pause) || epoch !== position.epoch;
    if (mustAsk && this.#journey.steps.hold) this.resync();
    return this.#render();
  }

  /** What is news about the place and the pass outlives this page, unless another tab forgot the place. @param {any} position */
  #keep({ number, state, pass, pass_expires_at: expiresAt }) {
    const { pass: known, place } = this.#journey.steps;
    if (!place || place.token !== this.#watch?.place) return;
    const registered = place.registered || state === 'prequeue';
    const isNews = place.number === undefined || (number && number !== place.number) || registered !== (place.registered ?? false);
    if (isNews) this.#journey.remember({ place: { ...place, number: number ?? place.number ?? null, registered } });
    const isNewPass = pass && (pass !== known?.token || expiresAt !== known?.expires_at);
    if (isNewPass) this.#journey.remember({ pass: { token: pass, expires_at: expiresAt } });
  }

  /** @param {any} sale */
  #refreshed(sale) {
    this.#sale = sale;
    this.#render();
  }

  #render() {
    const view = this.#view();
    if (view !== 'lobby') this.#lobby.stop();
    if (view !== 'prequeue') this.#prequeue.stop();
    if (view !== 'queue') this.#waiting.stop();
    this.#showAround();
    if (view === 'loading') show('loading');
    if (view === 'lobby') this.#showLobby();
    if (view === 'over') this.#showOver();
    if (view === 'prequeue') this.#showNamed('prequeue', this.#prequeue.show(this.#position, this.#sale));
    if (view === 'queue') this.#showNamed('queue', this.#waiting.show(this.#position ?? {}, this.#sale.tiers));
    this.#shopping?.show(view, this.#sale, this.#position);
  }

  #view() {
    const { place, hold, pass } = this.#journey.steps;
    if (this.#shopping?.view) return this.#shopping.view;
    if (hold) return 'loading';
    if (this.#end) return 'over';
    if (!place || isOver(this.#sale)) return 'lobby';
    if (this.#position?.state === 'admitted' && pass) return this.#shopping ? 'choose' : 'queue';
    if (!this.#position) return this.#isCutOff ? 'queue' : 'loading';
    return this.#position.state === 'prequeue' ? 'prequeue' : 'queue';
  }

  /** What stands around every view. */
  #showAround() {
    const { notice, pause: standstill, sale_state: state } = this.#position ?? { ...this.#sale, sale_state: this.#sale.state };
    say('pause', pauseInWords(standstill, state));
    say('announcement', notice ? `From the organizer, ${lately(notice.at)}: ${notice.text}` : '');
    part('keeping').hidden = outlivesTheTab;
    part('lent').hidden = !this.#journey.isLent;
    this.#draw.show(this.#sale, this.#position);
    const { place } = this.#journey.steps;
    if (!place) return;
    const link = /** @type {HTMLInputElement} */ (part('place-link'));
    link.value = placeLink(slug, place.token);
    part('leave').textContent = LEAVING[this.#line].button;
    this.#showNext(nextSteps(this.#position ?? {}));
  }

  /** @param {string[]} steps */
  #showNext(steps) {
    const list = part('next-steps');
    if (list.textContent !== steps.join('')) list.replaceChildren(...steps.map((step) => element('li', {}, step)));
  }

  #showLobby() {
    entitle('', this.#sale.name);
    this.#lobby.show(this.#sale);
    show('lobby');
  }

  #showOver() {
    const { title, message, next } = ENDS[this.#end];
    fill('over-title', title);
    fill('over-message', message);
    fill('over-next', isOver(this.#sale) ? '' : next);
    this.#showNamed('over', title);
  }

  /** @param {string} view @param {string} words for the title */
  #showNamed(view, words) {
    entitle(words, this.#sale.name);
    show(view);
  }

  /** A hold or an order outlives its place, and needs the pass. @param {import('./journey.js').End} end */
  #lostPlace(end) {
    const { place, hold, order: made } = this.#journey.steps;
    // The place that is remembered by now may be another: a new one, or the own one after a lent one.
    if (place && place.token !== this.#watch?.place) return;
    this.#journey.forgetPlace(end);
    if (!hold && !made) this.#journey.forget('pass');
    this.#ended(end);
  }

  /** Shows how the place ended that this page stood at. @param {import('./journey.js').End} end */
  #ended(end) {
    this.#watch?.stop();
    this.#watch = null;
    this.#position = null;
    this.#end = end;
    this.#render();
  }

  #listen() {
    offerCues();
    on('joining', 'submit', () => this.#join());
    on('leave', 'click', () => this.#leave());
    on('resign', 'click', () => this.#leave());
    on('again', 'click', () => this.#startAgain());
    on('copy', 'click', () => this.#copyLink());
    on('proof', 'click', () => this.#draw.saveProof());
    this.#journey.onOtherTab(() => this.resync());
    addEventListener('pageshow', (event) => event.persisted && this.resync());
    // A link to a place, opened where this page is open already, changes the fragment only.
    addEventListener('hashchange', () => lentPlace(new URLSearchParams(location.hash.slice(1))) && location.reload());
  }

  /** Joins, unless another tab just did: before the first answer nothing tells the server that both are one visitor. */
  #join() {
    return alone(`onsale:join:${this.#sale.id}`, async () => {
      if (this.#journey.steps.place) return this.resync();
      const joined = await this.#joining.join();
      if (!joined) return undefined;
      const { place, position } = joined;
      this.#journey.remember({ place: { token: place.token, number: place.number } });
      this.#follow();
      return this.#moved({ ...position, state: position?.state ?? place.state });
    });
  }

  /** What one stands in: the draw, which one can enter again, or the queue. */
  get #line() {
    return this.#position?.state === 'prequeue' ? 'prequeue' : 'queue';
  }

  async #leave() {
    const line = this.#line;
    fill('leaving-title', LEAVING[line].title);
    fill('leaving-message', LEAVING[line].message);
    if (!(await confirmed('leaving', 'leave'))) return;
    const { place } = this.#journey.steps;
    if (place) await patiently(() => leaveQueue(this.#sale.id, place.token), waitingHeard);
    this.#lostPlace(line === 'prequeue' ? 'unregistered' : 'left');
  }

  async #startAgain() {
    this.#sale = await patiently(() => saleNamed(this.#sale.id), waitingHeard);
    this.#end = '';
    await this.resync();
  }

  async #copyLink() {
    const link = /** @type {HTMLInputElement} */ (part('place-link'));
    try {
      await navigator.clipboard.writeText(link.value);
      say('copied', 'Copied.');
    } catch {
      link.select();
      say('copied', 'Selected: copy it with your keyboard or menu.');
    }
  }
}

async function start() {
  try {
    const { fragment } = takeParameters();
    const sale = await untilAnswered(() => saleNamed(slug), waitingHeard);
    note('');
    fill('name', sale.name);
    fill('facts', sale.venue ?? '');
    const journey = new Journey(sale.id);
    const lent = lentPlace(fragment);
    if (lent) journey.borrow(lent);
    await new Visit(sale, journey).begin();
  } catch (failure) {
    show('missing');
    warn(failure instanceof Problem && failure.status === 404 ? '' : sentenceFor(failure));
  }
}

await start();
