/**
 * The seat map: the drawing of a plan, to look at, press and walk through.
 *
 * A row is a handful of elements however many seats it has: one path a state, in which each seat is a dot. So a hall of
 * 50,000 seats is some thousand elements, and a change draws one row anew. What states look like differs in shape, too.
 */

import { SeatCursor } from './seat_cursor.js';
import { PITCH, SeatLayout, middleOf } from './seat_layout.js';
import { SeatView } from './seat_view.js';

/** Seats smaller than this on screen cannot be pressed for certain: a press then comes closer first. */
const PRESSABLE_MIN_PX = { fine: 11, coarse: 20 };
/** How large a seat is after that. */
const CLOSE_PX = 30;
/** Below this, names of rows and seats would be unreadable and are left out. */
const NAMED_MIN_PX = 13;
const SVG = 'http://www.w3.org/2000/svg';
/** What is drawn for a state, from below to above. @type {Record<import('./seat_plan.js').State, string[]>} */
const LAYERS = { f: ['free'], h: ['held', 'held-core'], s: ['gone'] };
const CHECK = 'M-2.4 .2L-.7 1.9L2.6 -1.6';

/**
 * @typedef {import('./seat_plan.js').Seat} Seat
 * @typedef {object} MapHeard
 * @property {(seat: Seat) => void} press a seat was pressed
 * @property {(seat: Seat | null) => void} look a seat is looked at, or none any more
 * @property {(seat: Seat) => string} describe the seat in words
 * @property {(seat: Seat) => boolean} isChosen
 * @property {() => void} closer the map came closer instead of choosing a seat
 */

/** @param {string} tag @param {Record<string, string | number>} attributes @param {...Node} children */
function drawn(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/** The map in its frame. */
export class SeatMap {
  #canvas;
  #heard;
  #view;
  #cursor;
  #layout = new SeatLayout([]);
  /** The paths of each row, by layer. @type {Map<string, Element>[]} */
  #paths = [];
  #chosen = drawn('g', { class: 'chosen' });

  /** @param {HTMLElement} frame @param {HTMLElement} canvas @param {MapHeard} heard */
  constructor(frame, canvas, heard) {
    this.#canvas = canvas;
    this.#heard = heard;
    this.#view = new SeatView(frame, canvas, (scale) => canvas.toggleAttribute('data-named', scale * PITCH >= NAMED_MIN_PX));
    this.#cursor = new SeatCursor(canvas, {
      describe: heard.describe, isChosen: heard.isChosen, press: heard.press,
      moved: (seat, middle) => {
        heard.look(seat);
        this.#view.reveal(middle, CLOSE_PX / PITCH);
      },
      zoom: (factor) => this.zoom(factor),
    });
    canvas.addEventListener('click', (event) => this.#press(event));
    canvas.addEventListener('pointermove', (event) => event.pointerType === 'mouse' && heard.look(this.#seatAt(event)));
    canvas.addEventListener('pointerleave', () => heard.look(null));
  }

  /** Draws a plan. @param {import('./seat_plan.js').SeatedTier[]} tiers @param {(tier: string) => string} nameOf what stands above a tier */
  show(tiers, nameOf) {
    const layout = new SeatLayout(tiers);
    const isLike = layout.isLike(this.#layout);
    this.#layout = layout;
    if (isLike) this.update(layout.places.map(({ row }) => row));
    else this.#draw(nameOf);
  }

  /** Draws rows anew. @param {import('./seat_plan.js').Row[]} rows */
  update(rows) {
    for (const row of rows) {
      const place = this.#layout.placeOfRow(row);
      if (place) this.#fill(place);
    }
    this.#cursor.refresh();
  }

  /** Marks the seats that are chosen. @param {Seat[]} seats */
  mark(seats) {
    this.#chosen.replaceChildren(...seats.flatMap((seat) => {
      const place = this.#layout.placeOf(seat);
      if (!place) return [];
      const { x, y } = middleOf(place, seat.number - 1);
      return [drawn('g', { transform: `translate(${x} ${y})` }, drawn('circle', { r: 4.8 }), drawn('path', { d: CHECK }))];
    }));
    this.#cursor.refresh();
  }

  /** Comes closer, or goes back. @param {number} factor */
  zoom(factor) {
    this.#view.zoom(factor);
  }

  /** Shows all of it. */
  fit() {
    this.#view.fitAll();
  }

  /** @param {(tier: string) => string} nameOf */
  #draw(nameOf) {
    const { width, height, places, headings } = this.#layout;
    this.#paths = [];
    const drawing = drawn('svg', { viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true', class: 'seats' },
      ...places.map((place) => this.#row(place)), this.#chosen);
    this.#canvas.replaceChildren(drawing, ...headings.map(({ tier, y }) => heading(nameOf(tier), y / height)));
    this.#cursor.walk(this.#layout);
    this.#view.fit(width, height);
  }

  /** @param {import('./seat_layout.js').Place} place */
  #row(place) {
    const { left, y, row } = place;
    const right = left + (row.states.length - 1) * PITCH;
    const paths = new Map(Object.values(LAYERS).flat().map((layer) => [layer, drawn('path', { class: layer })]));
    this.#paths[place.index] = paths;
    this.#fill(place);
    return drawn('g', {}, ...paths.values(),
      label(row.row, left - PITCH, y, 'end'), label(row.row, right + PITCH, y, 'start'));
  }

  /** @param {import('./seat_layout.js').Place} place */
  #fill(place) {
    const dots = dotsOf(place);
    for (const [state, layers] of Object.entries(LAYERS)) {
      for (const layer of layers) redraw(this.#paths[place.index].get(layer), dots[state] ?? '');
    }
  }

  /** @param {MouseEvent} event */
  #press(event) {
    const least = matchMedia('(pointer: coarse)').matches ? PRESSABLE_MIN_PX.coarse : PRESSABLE_MIN_PX.fine;
    const seat = this.#seatAt(event);
    if (this.#view.scale * PITCH < least) {
      this.#view.comeTo(event, CLOSE_PX / PITCH);
      this.#heard.closer();
    } else if (seat) {
      this.#cursor.place(seat);
      this.#heard.press(seat);
    }
  }

  /** @param {MouseEvent} event @returns {Seat | null} */
  #seatAt(event) {
    const { x, y } = this.#view.pointOf(event);
    const found = this.#layout.at(x, y);
    return found && { tier: found.place.tier, row: found.place.row.row, number: found.column + 1 };
  }
}

/** Touches only what looks different by now. @param {Element | undefined} path @param {string} d */
function redraw(path, d) {
  if (path?.getAttribute('d') !== d) path?.setAttribute('d', d);
}

/** A dot for each seat, by state. @param {import('./seat_layout.js').Place} place */
function dotsOf({ row, left, y }) {
  /** @type {Record<string, string>} */
  const dots = {};
  row.states.forEach((state, column) => {
    dots[state] = `${dots[state] ?? ''}M${left + column * PITCH} ${y}h0`;
  });
  return dots;
}

/** @param {string} text @param {number} x @param {number} y @param {string} anchor */
function label(text, x, y, anchor) {
  const made = drawn('text', { x, y, 'text-anchor': anchor, 'dominant-baseline': 'central' });
  made.textContent = text;
  return made;
}

/** A name of a tier, which keeps its size and stays in sight. @param {string} text @param {number} share of the height */
function heading(text, share) {
  const made = document.createElement('div');
  made.className = 'tier-name';
  made.setAttribute('aria-hidden', 'true');
  made.style.insetBlockStart = `${share * 100}%`;
  const name = document.createElement('span');
  name.textContent = text;
  made.append(name);
  return made;
}
