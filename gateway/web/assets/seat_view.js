/**
 * What of a drawing is in sight, and how close: by buttons, by Ctrl and the wheel, by two fingers, by dragging.
 *
 * The frame scrolls, as anything on a page does, so fingers, wheels, trackpads and scroll bars move it without us. Only the
 * size of the canvas in it is ours.
 */

import { PITCH } from './seat_layout.js';

/** How close one may come, in pixels a unit. */
const SCALE_MAX = 4;
/** How far a mouse may move between press and release and still mean a press. */
const DRAG_MIN_PX = 5;
const WHEEL_STEP = 0.01;

/** @typedef {{clientX: number, clientY: number}} Spot on the screen */

/** The view of one canvas in its frame. */
export class SeatView {
  #frame;
  #canvas;
  #scaled;
  #width = 1;
  #height = 1;
  #scale = 1;
  #isFitted = true;

  /** @param {HTMLElement} frame @param {HTMLElement} canvas @param {(scale: number) => void} scaled told each new scale */
  constructor(frame, canvas, scaled) {
    this.#frame = frame;
    this.#canvas = canvas;
    this.#scaled = scaled;
    new ResizeObserver(() => (this.#isFitted ? this.fitAll() : this.#set(this.#scale))).observe(frame);
    this.#listenToWheel();
    this.#listenToFingers();
    this.#listenToMouse();
  }

  /** How many pixels a unit of the drawing takes. */
  get scale() {
    return this.#scale;
  }

  /** Shows a drawing of that size, all of it when it is another size than before. @param {number} width @param {number} height */
  fit(width, height) {
    const isSame = width === this.#width && height === this.#height;
    [this.#width, this.#height] = [width, height];
    if (!isSame) this.fitAll();
  }

  /** Shows all of it. */
  fitAll() {
    this.#isFitted = true;
    this.#set(this.#scaleMin);
  }

  /** Comes closer to the middle of what is in sight, or goes back. @param {number} factor */
  zoom(factor) {
    const { left, top, width, height } = this.#frame.getBoundingClientRect();
    this.#zoomAt(this.#scale * factor, { clientX: left + width / 2, clientY: top + height / 2 });
  }

  /** Comes as close as that, and puts the spot into the middle. @param {Spot} spot @param {number} scale */
  comeTo(spot, scale) {
    const point = this.pointOf(spot);
    this.#isFitted = false;
    this.#set(scale);
    this.#centre(point);
  }

  /** Brings a point into sight, close enough to be seen. @param {{x: number, y: number}} point @param {number} scaleMin */
  reveal(point, scaleMin) {
    const isFar = this.#scale < scaleMin / 2;
    if (isFar) {
      this.#isFitted = false;
      this.#set(scaleMin);
    }
    if (isFar || !this.#isInSight(point)) this.#centre(point);
  }

  /** The point of the drawing under a spot. @param {Spot} spot */
  pointOf({ clientX, clientY }) {
    const { left, top } = this.#canvas.getBoundingClientRect();
    return { x: (clientX - left) / this.#scale, y: (clientY - top) / this.#scale };
  }

  /** At this scale all of it is in sight. */
  get #scaleMin() {
    const { clientWidth, clientHeight } = this.#frame;
    return Math.min(SCALE_MAX, clientWidth / this.#width, clientHeight / this.#height);
  }

  /** @param {number} scale @param {Spot} spot that stays where it is */
  #zoomAt(scale, spot) {
    const before = this.pointOf(spot);
    this.#set(scale);
    this.#isFitted = this.#scale === this.#scaleMin;
    const { left, top } = this.#canvas.getBoundingClientRect();
    this.#frame.scrollLeft += left + before.x * this.#scale - spot.clientX;
    this.#frame.scrollTop += top + before.y * this.#scale - spot.clientY;
  }

  /** @param {number} scale */
  #set(scale) {
    this.#scale = Math.max(this.#scaleMin, Math.min(SCALE_MAX, scale));
    this.#canvas.style.inlineSize = `${this.#width * this.#scale}px`;
    this.#canvas.style.blockSize = `${this.#height * this.#scale}px`;
    this.#canvas.style.setProperty('--seat', `${PITCH * this.#scale}px`);
    this.#scaled(this.#scale);
  }

  /** @param {{x: number, y: number}} point */
  #centre({ x, y }) {
    const { clientWidth, clientHeight } = this.#frame;
    this.#frame.scrollLeft = this.#canvas.offsetLeft + x * this.#scale - clientWidth / 2;
    this.#frame.scrollTop = this.#canvas.offsetTop + y * this.#scale - clientHeight / 2;
  }

  /** @param {{x: number, y: number}} point */
  #isInSight({ x, y }) {
    const { clientWidth, clientHeight, scrollLeft, scrollTop } = this.#frame;
    const [left, top] = [this.#canvas.offsetLeft + x * this.#scale - scrollLeft, this.#canvas.offsetTop + y * this.#scale - scrollTop];
    const rim = PITCH * this.#scale;
    return left > rim && left < clientWidth - rim && top > rim && top < clientHeight - rim;
  }

  #listenToWheel() {
    this.#frame.addEventListener('wheel', (event) => {
      // A trackpad's pinch is told as a wheel with Ctrl.
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.#zoomAt(this.#scale * Math.exp(-event.deltaY * WHEEL_STEP), event);
    }, { passive: false });
  }

  /** Two fingers; one scrolls, which the browser does. */
  #listenToFingers() {
    let apart = 0;
    this.#frame.addEventListener('touchmove', (event) => {
      if (event.touches.length !== 2) return;
      if (event.cancelable) event.preventDefault();
      const [one, other] = event.touches;
      const now = Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      const middle = { clientX: (one.clientX + other.clientX) / 2, clientY: (one.clientY + other.clientY) / 2 };
      if (apart > 0) this.#zoomAt(this.#scale * (now / apart), middle);
      apart = now;
    }, { passive: false });
    for (const type of ['touchstart', 'touchend', 'touchcancel']) this.#frame.addEventListener(type, () => { apart = 0; }, { passive: true });
  }

  /** A mouse drags; what it was on when it is released is not pressed. */
  #listenToMouse() {
    /** @type {{x: number, y: number, left: number, top: number, isDrag: boolean} | null} */
    let from = null;
    this.#canvas.addEventListener('pointerdown', ({ pointerType, button, clientX, clientY }) => {
      if (pointerType !== 'mouse' || button !== 0) return;
      from = { x: clientX, y: clientY, left: this.#frame.scrollLeft, top: this.#frame.scrollTop, isDrag: false };
    });
    addEventListener('pointermove', ({ clientX, clientY }) => {
      if (!from) return;
      from.isDrag ||= Math.hypot(clientX - from.x, clientY - from.y) > DRAG_MIN_PX;
      if (from.isDrag) this.#frame.scrollTo(from.left + from.x - clientX, from.top + from.y - clientY);
    });
    addEventListener('pointerup', () => {
      const wasDrag = from?.isDrag;
      from = null;
      if (wasDrag) this.#swallowClick();
    });
  }

  /** The click that belongs to a drag; there is none when it ended elsewhere. */
  #swallowClick() {
    const swallowed = new AbortController();
    addEventListener('click', (event) => event.stopPropagation(), { capture: true, signal: swallowed.signal });
    setTimeout(() => swallowed.abort());
  }
}
