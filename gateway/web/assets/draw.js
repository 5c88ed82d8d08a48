/**
 * The draw in plain words: how the order of those who registered comes about, what of it can be checked, and what
 * *self-attested* means. After the draw, the proof that one was in it.
 */

import { fairnessPath, inclusionProof, saleNamed } from './api.js';
import { element, fill, part } from './page.js';
import { momentInWords } from './times.js';

/** Everybody is drawn at once; those who read how look again within so many milliseconds. */
const REFRESH_SPREAD_MS = 3_000;
const VERIFIER = 'onsale verify-shuffle';
const FOR_EVERYBODY = 'Everybody who registers before the opening takes part, once. Being early, reloading or opening more tabs changes nothing.';
const RANDOM = 'At the opening, everybody who registered is put in a random order, and each gets a number. Whoever comes later lines up behind them, first come, first served.';
const COMMITTED = 'Nobody can bend the order unnoticed. It follows from a secret number that was chosen before anybody could register, and whose fingerprint (SHA-256) is public since then:';
const UNDECIDED = 'At the opening the list of registrations is closed and its fingerprint published. Then comes a public random value that does not exist yet (a drand beacon round), and the secret is revealed: list, secret and random value together give the order. Should there be no random value after all, this page says so and calls the draw self-attested: then you have to trust the operator, who knows the secret, not to have added a last registration to shift the order.';
const WITH_BEACON = 'At the opening the list of registrations is closed and its fingerprint published. Then comes a public random value, which did not exist before (a drand beacon round), and the secret is revealed. List, secret and random value together give the order.';
const SELF_ATTESTED = 'This draw is self-attested: no public random value goes into it. At the opening the list of registrations is closed, its fingerprint published and the secret revealed; the two together give the order. That proves that the secret was not chosen afterwards. It does not prove that the operator, who knows the secret, added no last registration to shift the order: in that you have to trust them.';

/** @param {...(Node | string)} children */
const paragraph = (...children) => element('p', {}, ...children);

/** The explanation of one sale's draw. */
export class Draw {
  #journey;
  #sale;
  #fresh;
  #shown = '';
  #isDrawn = false;

  /**
   * @param {any} sale
   * @param {import('./journey.js').Journey} journey
   * @param {(sale: any) => void} fresh told the sale as it is now
   */
  constructor(sale, journey, fresh) {
    this.#sale = sale;
    this.#journey = journey;
    this.#fresh = fresh;
    part('how').addEventListener('toggle', () => this.#refresh());
  }

  /** Shows how it stands. @param {any} sale @param {any} position null without a place */
  show(sale, position) {
    this.#sale = sale;
    const { fairness } = sale;
    part('fairness').toggleAttribute('data-empty', !fairness?.seed_hash);
    if (!fairness?.seed_hash) return;
    const isDrawn = fairness.state === 'drawn' || isNumbered(position);
    if (isDrawn && !this.#isDrawn) setTimeout(() => this.#refresh(), Math.random() * REFRESH_SPREAD_MS);
    this.#isDrawn = isDrawn;
    fill('draw-summary', isDrawn ? 'How the order was drawn' : 'How the draw works');
    part('proof-offer').hidden = !(isDrawn && wasRegistered(this.#journey));
    const key = JSON.stringify([fairness, isDrawn]);
    if (key !== this.#shown) part('draw').replaceChildren(...this.#words(fairness));
    this.#shown = key;
  }

  /** Saves the proof that one's registration was in the draw. */
  async saveProof() {
    const { place } = this.#journey.steps;
    const proof = await inclusionProof(this.#sale.id, place?.token ?? '');
    const file = new Blob([JSON.stringify(proof, null, 2)], { type: 'application/json' });
    const url = URL.createObjectURL(file);
    element('a', { href: url, download: `inclusion-proof-${this.#sale.slug}.json` }).click();
    setTimeout(() => URL.revokeObjectURL(url));
  }

  /** Reads how it was drawn, for those who look; the position says only that it was. */
  async #refresh() {
    const isRead = /** @type {HTMLDetailsElement} */ (part('how')).open;
    if (!isRead || !this.#isDrawn || this.#sale.fairness?.state === 'drawn') return;
    const sale = await saleNamed(this.#sale.id).catch(() => null);
    if (sale) this.#fresh(sale);
  }

  /** @param {any} fairness */
  #words(fairness) {
    const { seed_hash: seedHash, beacon, seed, self_attested: selfAttested } = fairness;
    const facts = element('dl', { class: 'hashes' },
      ...fact('Fingerprint of the secret', seedHash),
      ...(beacon ? fact('Public random value', `${beacon.randomness ?? 'not out yet'} (round ${beacon.round} of ${beacon.url})`) : []),
      ...(selfAttested ? fact('Self-attested, because', selfAttested) : []),
      ...(seed ? fact('The secret', seed) : []));
    return [
      paragraph(FOR_EVERYBODY),
      paragraph(RANDOM),
      paragraph(COMMITTED),
      facts,
      paragraph(howInWords(fairness)),
      paragraph('Anyone can compute the order again: from the ', element('a', { href: fairnessPath(this.#sale.id) }, 'fairness file'),
        ', with ', element('code', {}, VERIFIER), ' or a program of their own. The file names nobody.'),
    ];
  }
}

/**
 * What the order follows from, and in whom one has to trust for it.
 * @param {{beacon_configured: boolean, beacon: unknown, self_attested: string | null}} fairness
 */
export function howInWords({ beacon_configured: isConfigured, beacon, self_attested: selfAttested }) {
  if (selfAttested || !isConfigured) return SELF_ATTESTED;
  return beacon ? WITH_BEACON : UNDECIDED;
}

/** @param {string} name @param {string} text */
const fact = (name, text) => [element('dt', {}, name), element('dd', {}, element('code', {}, text))];

/** @param {any} position */
const isNumbered = (position) => Boolean(position?.number) && position.state !== 'prequeue';

/** Only who was in the draw has a proof of it. @param {import('./journey.js').Journey} journey */
const wasRegistered = (journey) => Boolean(journey.steps.place?.registered);

/**
 * How the draw stands for somebody who is registered.
 * @param {{opens_at?: string}} position
 * @param {any} sale
 * @param {boolean} isOpening whether the time has come
 */
export function drawInWords({ opens_at: opensAt }, sale, isOpening) {
  const at = opensAt ?? sale.opens_at;
  if (isOpening) {
    return {
      title: 'The order is being drawn',
      label: 'The draw',
      moment: 'Your number comes in a moment',
      message: 'Registration is closed. The order is being drawn, which takes seconds, at most about a minute. Nothing is expected of you, and everybody waits for the same draw.',
    };
  }
  return {
    title: 'You are registered',
    label: 'The draw begins in',
    moment: momentInWords(at, sale.time_zone),
    message: 'You take part in the draw. You may close this page and come back; be here when the draw begins, because those who are away are passed over until they return.',
  };
}
