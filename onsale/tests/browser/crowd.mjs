/** Other people in the queue, without browsers: they join, give signs of life and leave. */

/** Well within the 15 s after which a visitor counts as silent. */
const SIGN_EVERY_MS = 5_000;

/** People who stand in line before whoever comes next. */
export class Crowd {
  #url;
  /** @type {string[]} */
  #places = [];
  /** Of whom nothing is heard. @type {string[]} */
  #silent = [];
  #timer;

  /** @param {string} base the gateway @param {string} sale */
  constructor(base, sale) {
    this.#url = `${base}/v1/sales/${sale}/queue`;
    this.#timer = setInterval(() => this.#places.forEach((place) => this.#ask('GET', place)), SIGN_EVERY_MS);
  }

  /** So many more join. @param {number} count */
  async joins(count) {
    const answers = await Promise.all(Array.from({ length: count }, () => fetch(this.#url, { method: 'POST' })));
    for (const answer of answers) {
      if (!answer.ok) throw new Error(`joining: ${answer.status} ${await answer.text()}`);
      this.#places.push((await answer.json()).place.token);
    }
  }

  /** Somebody who waits leaves: not the first, who may be inside. */
  async oneLeavesFromTheMiddle() {
    const [place] = this.#places.splice(1, 1);
    if (place) await this.#ask('DELETE', place);
  }

  /** Somebody who waits falls silent. */
  oneFallsSilent() {
    this.#silent.push(...this.#places.splice(1, 1));
  }

  /** Who fell silent is back. */
  async theyComeBack() {
    this.#places.push(...this.#silent);
    await Promise.all(this.#silent.splice(0).map((place) => this.#ask('GET', place)));
  }

  /** All leave. */
  async disperses() {
    clearInterval(this.#timer);
    await Promise.all(this.#places.splice(0).map((place) => this.#ask('DELETE', place)));
  }

  /** @param {string} method @param {string} place */
  async #ask(method, place) {
    const answer = await fetch(`${this.#url}/place`, { method, headers: { authorization: `Bearer ${place}` } });
    await answer.arrayBuffer();
  }
}
