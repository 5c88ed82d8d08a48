/**
 * As much of a document as the forms of a page touch, for tests without a browser: elements by id, made when they are first
 * asked for, that keep what is put into them. Nothing is laid out, and selectors know only `[data-tier="…"]` and a class.
 */

/** An element of it. */
class Sheet extends EventTarget {
  hidden = false;
  checked = false;
  disabled = false;
  textContent = '';
  value = '0';
  /** @type {any[]} */
  children = [];
  /** @type {Map<string, string>} */
  attributes = new Map();
  /** @type {Record<string, string>} */
  dataset = {};
  #paper;

  /** @param {Paper} paper */
  constructor(paper) {
    super();
    this.#paper = paper;
  }

  get length() {
    return this.children.length;
  }

  /** @param {...any} children */
  append(...children) {
    this.children.push(...children);
    this.textContent += children.filter((child) => typeof child === 'string').join('');
  }

  /** @param {...any} children */
  replaceChildren(...children) {
    [this.children, this.textContent] = [[], ''];
    this.append(...children);
  }

  /** @param {string} name @param {string} value */
  setAttribute(name, value) {
    this.attributes.set(name, value);
  }

  toggleAttribute() {}

  /** @param {string} selector @returns {Sheet | null} */
  querySelector(selector) {
    const [, tier] = /^\[data-tier="(.*)"\]$/.exec(selector) ?? [];
    const isFound = (/** @type {any} */ child) => (tier === undefined
      ? child.attributes?.get('class') === selector.slice(1)
      : child.attributes?.get('data-tier') === tier);
    for (const child of this.children) {
      const found = isFound(child) ? child : child.querySelector?.(selector);
      if (found) return found;
    }
    return null;
  }

  focus() {
    this.#paper.activeElement = this;
  }

  click() {
    this.dispatchEvent(new Event('click'));
  }
}

/** A document. */
export class Paper {
  /** @type {Sheet | null} */
  activeElement = null;
  /** @type {Map<string, Sheet>} */
  #parts = new Map();

  /** @param {string} id @returns {Sheet} */
  getElementById(id) {
    const found = this.#parts.get(id) ?? new Sheet(this);
    this.#parts.set(id, found);
    return found;
  }

  createElement() {
    return new Sheet(this);
  }

  querySelectorAll() {
    return [];
  }
}

/** Puts a blank document in place of none. */
export function lay() {
  const document = new Paper();
  Object.assign(globalThis, { document, CSS: { escape: (/** @type {string} */ text) => text } });
  return document;
}

/** Takes it away. */
export function clear() {
  Reflect.deleteProperty(globalThis, 'document');
  Reflect.deleteProperty(globalThis, 'CSS');
}
