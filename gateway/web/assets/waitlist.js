/**
 * The waitlist page: joining it, and what became of one's place.
 *
 * `/s/{slug}/waitlist` asks what a person waits for; `/s/{slug}/waitlist/{entry}` shows one entry, and is where its mails lead,
 * with the token in the fragment. Nothing is done by opening a page: confirming, taking and leaving are buttons.
 *
 * | state                 | shown |
 * |-----------------------|-------|
 * | unconfirmed           | look into the mailbox; by the mail's link, the button that confirms |
 * | waiting               | how many are ahead |
 * | offered               | what, for how long, and the form that takes it |
 * | claimed               | the way to the order |
 * | all others            | what happened |
 */

import { Problem, claimOffer, confirmEntry, entryNamed, leaveWaitlist, saleNamed } from './api.js';
import { addressOf, checkoutPage, entryPage, orderPage, salePage, takeParameters, waitlistPage } from './address.js';
import { on } from './control.js';
import { Countdown } from './countdown.js';
import { EntryWatch } from './entry_watch.js';
import { Journey, keepEntryToken, keepOrderToken, entryToken } from './journey.js';
import { confirmed, entitle, fill, markFaults, note, part, show, warn } from './page.js';
import { delayMs, patiently, pause, untilAnswered } from './patience.js';
import { sentenceFor } from './problems.js';
import { momentInWords } from './times.js';
import { gatheringInWords, isSettled, leaveInWords, mayJoinAgain, offerInWords, partInWords, wordsFor } from './waitlist_words.js';
import { boundQuantity, join, offerTiers, soldOut } from './wish.js';

const { slug, order: id } = addressOf();

/** @param {Problem} problem */
const waitingHeard = (problem) => note(sentenceFor(problem));

/** One place on the waitlist. */
class Place {
  #sale;
  #token;
  /** @type {any} */
  #entry = null;
  #clock;
  /** @type {EntryWatch | null} */
  #watch = null;
  /** How often it was told. */
  #tellings = 0;
  #isPaused;

  /** @param {any} sale @param {string} token */
  constructor(sale, token) {
    this.#sale = sale;
    this.#token = token;
    this.#isPaused = sale.state === 'paused';
    this.#clock = new Countdown({
      tick: (face) => fill('offer-clock', face),
      warning: (seconds) => warn(`${seconds} seconds left to take your offer.`),
      over: () => this.look(),
    });
    on('confirm', 'click', () => this.#confirm());
    on('claiming', 'submit', () => this.#claim());
    on('leave', 'click', () => this.#leave());
  }

  /** Asks where it stands, and shows it. */
  async look() {
    // The link of the mail may have been opened in another page of this browser.
    if (this.#entry && !this.#entry.is_proved) this.#token = entryToken(id) ?? this.#token;
    const tellings = this.#tellings;
    const entry = await entryNamed(this.#sale.id, id, this.#token);
    // What was told meanwhile is newer, unless it was told to who did not read the mail.
    if (tellings === this.#tellings || entry.is_proved !== this.#entry.is_proved) this.#entry = entry;
    // Only now: a link that was cut short must not displace the token that this browser has.
    if (this.#entry.is_proved || !entryToken(id)) keepEntryToken(id, this.#token);
    this.#watch?.show(this.#token);
    this.#render();
  }

  /** Shows what was told. It is told by the token of this page, which another one may be better than. @param {any} entry */
  #told(entry) {
    if (this.#entry.is_proved && !entry.is_proved) return;
    this.#tellings += 1;
    this.#entry = entry;
    this.#render();
  }

  /** In a pause the time of an offer stands. @param {{state: string}} sale */
  #toldOfSale({ state }) {
    this.#isPaused = state === 'paused';
    this.#render();
  }

  /** Listens, and asks now and then, until nothing changes by itself any more. */
  async follow() {
    try {
      await this.#followed();
    } finally {
      this.#watch?.end();
    }
  }

  async #followed() {
    for (let failures = 0; ;) {
      try {
        await this.look();
        failures = 0;
        note('');
        if (isSettled(this.#entry)) return;
        this.#watch ??= new EntryWatch(this.#sale.id, id, this.#token, {
          entry: (entry) => this.#told(entry),
          sale: (sale) => this.#toldOfSale(sale),
        });
        await this.#watch.due(delayMs(0, this.#entry.poll_after_ms));
        if (isSettled(this.#entry)) return;
      } catch (failure) {
        if (!(failure instanceof Problem) || !failure.isPassing) throw failure;
        failures += 1;
        note(sentenceFor(failure));
        await pause(delayMs(failures, failure.retryAfterMs));
      }
    }
  }

  #render() {
    const entry = this.#entry;
    new Journey(this.#sale.id).noteEntry(entry, isSettled(entry));
    const [heading, message] = wordsFor(entry, entry.is_proved);
    const isOffered = entry.state === 'offered';
    entitle(heading, this.#sale.name);
    fill('title', heading);
    fill('message', message + partInWords(entry));
    fill('offered', isOffered ? offerInWords(entry.offer, this.#sale.tiers) : '');
    fill('entry-id', entry.id);
    fill('leave-button', leaveInWords(entry));
    fill('waiting-hint', gatheringInWords(entry, entry.gathers_until ? momentInWords(entry.gathers_until, this.#sale.time_zone) : ''));
    part('confirm').hidden = !(entry.state === 'unconfirmed' && entry.is_proved);
    part('claiming').hidden = !(isOffered && entry.is_proved);
    part('again-link').hidden = !mayJoinAgain(entry);
    part('offer-time').hidden = !isOffered;
    if (isOffered) this.#clock.follow(entry.offer.until, this.#isPaused);
    else this.#clock.stop();
    this.#renderOrder();
    show('shown');
  }

  /** The way to an order that this browser made. */
  #renderOrder() {
    const { order } = new Journey(this.#sale.id).steps;
    const isOurs = this.#entry.state === 'claimed' && order?.id === this.#entry.offer?.order;
    part('order-link').hidden = !isOurs;
    if (isOurs) /** @type {HTMLAnchorElement} */ (part('order-link')).href = orderPage(slug, this.#entry.offer.order);
  }

  async #confirm() {
    this.#entry = await patiently(() => confirmEntry(this.#sale.id, id, this.#token), waitingHeard);
    this.#render();
  }

  /** Takes the offer: the same again has the same order, so it is sent until it is answered. */
  async #claim() {
    const name = /** @type {HTMLInputElement} */ (part('holder')).value;
    try {
      const order = await patiently(() => claimOffer(this.#sale.id, id, this.#token, { name }), waitingHeard);
      keepOrderToken(order.id, order.token);
      if (!order.payment) return location.assign(orderPage(slug, order.id));
      new Journey(this.#sale.id).remember({ order: { id: order.id, token: order.token, payment: order.payment } });
      return location.assign(checkoutPage(slug));
    } catch (failure) {
      if (failure instanceof Problem) markFaults(part('claiming'), failure.errors);
      if (failure instanceof Problem && failure.code === 'offer_not_live') await this.look();
      throw failure;
    }
  }

  async #leave() {
    if (!(await confirmed('leaving', 'leave'))) return;
    await patiently(() => leaveWaitlist(this.#sale.id, id, this.#token), waitingHeard);
    await this.look();
  }
}

/** Asks what a person waits for. @param {any} sale */
function ask(sale) {
  const tiers = soldOut(sale.tiers);
  if (tiers.length === 0) {
    show('asking');
    part('wishing').hidden = true;
    return warn('Nothing of this sale is sold out right now: join the queue to get tickets.');
  }
  offerTiers(part('wished'), tiers, tiers.length === 1);
  boundQuantity(/** @type {HTMLInputElement} */ (part('quantity')), sale);
  on('wishing', 'submit', async () => {
    const entry = await join(/** @type {HTMLFormElement} */ (part('wishing')), { sale: sale.id });
    if (entry) location.assign(entryPage(slug, entry.id));
  });
  show('asking');
  return undefined;
}

async function start() {
  const { fragment } = takeParameters();
  const mailed = fragment.get('token') ?? '';
  const token = mailed || entryToken(id);
  /** @type {HTMLAnchorElement} */ (part('sale-link')).href = salePage(slug);
  /** @type {HTMLAnchorElement} */ (part('again-link')).href = waitlistPage(slug);
  try {
    const sale = await untilAnswered(() => saleNamed(slug), waitingHeard);
    note('');
    fill('name', sale.name);
    fill('facts', sale.venue ?? '');
    if (!id) return ask(sale);
    if (!token) return show('missing');
    await new Place(sale, token).follow();
  } catch (failure) {
    const isUnknown = failure instanceof Problem && (failure.status === 401 || failure.status === 404);
    show('missing');
    warn(isUnknown ? '' : sentenceFor(failure));
  }
  return undefined;
}

await start();
