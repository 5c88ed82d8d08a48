/** A person whose turn it is: how they choose, and what they read of it. */

/** @typedef {import('./visitor.mjs').Visitor} Visitor */

/** Everybody gets in at once. */
export const OPEN_DOORS = { rate_per_s: 50, burst: 50, max_shoppers: 50 };

/** Rows of a hall that grows wider to the back. @param {string} names @param {number} seats in the first row */
export const rowsOf = (names, seats) => [...names].map((row, index) => ({ row, seats: seats + 2 * index }));

/** A small hall of three tiers, one of them without seats. */
export const HALL = [
  { id: 'stalls', name: 'Stalls', price: 8_000, rows: rowsOf('ABCDEF', 12) },
  { id: 'balcony', name: 'Balcony', price: 5_500, rows: rowsOf('JKL', 18) },
  { id: 'standing', name: 'Standing', price: 3_000, capacity: 40 },
];

/** One person at one tab. */
export class Chooser {
  #page;
  #visitor;

  /** @param {Visitor} visitor */
  constructor(visitor) {
    this.#visitor = visitor;
    this.#page = visitor.page;
  }

  /** Opens the page, joins and gets a turn. */
  async getsATurn() {
    await this.#visitor.opensAndJoins();
    await this.#visitor.sees('choose');
  }

  /** Goes to the seat map. */
  async wantsSeats() {
    await this.#page.locator('#by-name').check();
    await this.#page.locator('.seats').waitFor();
  }

  async wantsTheList() {
    await this.#page.getByRole('radio', { name: 'List', exact: true }).check();
    await this.#page.locator('#seat-list').waitFor();
  }

  /** @param {string} tier @param {number} quantity */
  async wants(tier, quantity) {
    await this.#page.locator(`#quantity-${tier}`).selectOption(String(quantity));
  }

  /** Where a seat is on screen, brought into sight; rows are counted from the front of the hall. @param {number} row @param {number} number @param {number} seats in that row */
  async spotOf(row, number, seats) {
    return this.#page.evaluate(({ index, column, count }) => {
      const svg = /** @type {SVGSVGElement} */ (document.querySelector('.seats'));
      const line = svg.children[index].querySelector('text')?.getAttribute('y');
      const { width } = svg.viewBox.baseVal;
      const point = new DOMPoint(width / 2 + 10 * (column - (count - 1) / 2), Number(line)).matrixTransform(/** @type {DOMMatrix} */ (svg.getScreenCTM()));
      return { x: point.x, y: point.y };
    }, { index: row, column: number - 1, count: seats });
  }

  /** Presses a seat on the map. @param {number} row @param {number} number @param {number} seats in that row */
  async presses(row, number, seats) {
    await this.#page.locator('#map').scrollIntoViewIfNeeded();
    const { x, y } = await this.spotOf(row, number, seats);
    await this.#page.mouse.click(x, y);
  }

  /** The seats that are chosen, by name, in the order they were. @param {...string} names */
  async hasChosen(...names) {
    const chosen = this.#page.locator('#chosen strong');
    await this.#page.waitForFunction((wanted) => {
      const found = [...document.querySelectorAll('#chosen strong')].map(({ textContent }) => textContent);
      return JSON.stringify(found) === wanted;
    }, JSON.stringify(names)).catch(async () => {
      throw new Error(`chosen: ${await chosen.allTextContents()}, not ${names}`);
    });
    const marked = await this.#page.locator('.chosen circle').count() - 1;
    if (marked !== names.length) throw new Error(`${marked} seats marked on the map, not ${names.length}`);
  }

  async triesToHold() {
    await this.#page.locator('#take').click();
  }

  /** Holds what is chosen, and reads what that is. @param {RegExp} held */
  async holds(held) {
    await this.triesToHold();
    await this.#page.locator('#details').waitFor();
    await this.#page.locator('#held').filter({ hasText: held }).waitFor();
  }
}
