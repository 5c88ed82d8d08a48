/**
 * The parts of a page: its views, its slots, its messages.
 *
 * A page is a static shell. Its sections marked `data-view` are shown one at a time, those marked `data-with` beside the
 * views they name; elements marked `data-slot` are filled, with text only, so nothing that the server or a person wrote is
 * ever read as HTML.
 */

import { settle } from './settling.js';

/**
 * The element of that id, which the shell is known to have.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function part(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return /** @type {T} */ (found);
}

/**
 * Makes an element.
 * @param {string} tag
 * @param {Record<string, string | boolean>} [attributes] true sets an empty attribute, false leaves it out
 * @param {...(Node | string)} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children);
  return made;
}

/**
 * Puts a text into every slot of that name; an empty text hides them.
 * @param {string} slot
 * @param {string} text
 */
export function fill(slot, text) {
  for (const found of document.querySelectorAll(`[data-slot="${slot}"]`)) {
    if (found.textContent !== text) found.textContent = text;
    /** @type {HTMLElement} */ (found).hidden = text === '';
  }
}

/** The id of the view that is shown. */
export function shownView() {
  return document.querySelector('[data-view]:not([hidden])')?.id ?? '';
}

/**
 * Shows one view and hides the others. When it is a new one, its heading takes the focus, because what had it is gone.
 * @param {string} id
 */
export function show(id) {
  if (shownView() === id) return;
  const first = shownView() === 'loading';
  for (const view of document.querySelectorAll('[data-view]')) {
    /** @type {HTMLElement} */ (view).hidden = view.id !== id;
  }
  for (const aside of document.querySelectorAll('[data-with]')) {
    const { dataset } = /** @type {HTMLElement} */ (aside);
    /** @type {HTMLElement} */ (aside).hidden = !dataset.with?.split(' ').includes(id);
  }
  markStep(part(id).dataset.step);
  if (first) return;
  settle(part(id), shownView);
  /** @type {HTMLElement | null} */ (part(id).querySelector('h2'))?.focus();
}

/** @param {string | undefined} step */
function markStep(step) {
  const steps = /** @type {HTMLElement | null} */ (document.querySelector('.steps'));
  if (steps) steps.hidden = step === undefined;
  for (const entry of document.querySelectorAll('[data-step-name]')) {
    if (/** @type {HTMLElement} */ (entry).dataset.stepName === step) entry.setAttribute('aria-current', 'step');
    else entry.removeAttribute('aria-current');
  }
}

/**
 * Says what went wrong, at once and to screen readers too; an empty text takes it back.
 * @param {string} text
 */
export function warn(text) {
  say('problem', text);
}

/**
 * Says something that is not urgent, beside the view: a lost connection, a paused sale.
 * @param {string} text
 */
export function note(text) {
  say('notice', text);
}

/**
 * Says on the tab what a person should see at a glance.
 * @param {string} state empty for the name alone
 * @param {string} name
 */
export function entitle(state, name) {
  document.title = state ? `${state} · ${name}` : name;
}

/**
 * Whether the person agrees, asked in a dialog.
 * @param {string} id
 * @param {string} agreement the value of the button that agrees
 * @returns {Promise<boolean>}
 */
export function confirmed(id, agreement) {
  const dialog = /** @type {HTMLDialogElement} */ (part(id));
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === agreement), { once: true });
  });
}

/** Closes a dialog that is overtaken by events, as if nobody had agreed. @param {string} id */
export function dismiss(id) {
  const dialog = /** @type {HTMLDialogElement} */ (part(id));
  if (dialog.open) dialog.close('');
}

/**
 * Says a text in a region that is read aloud, once.
 * @param {string} id
 * @param {string} text
 */
export function say(id, text) {
  const region = part(id);
  if (region.textContent !== text) region.textContent = text;
}

/**
 * Shows at the inputs of a form what the server found fault with.
 * @param {HTMLFormElement} form
 * @param {{pointer: string, detail: string}[]} faults JSON pointers to the body's fields, named like the inputs
 */
export function markFaults(form, faults) {
  for (const input of form.querySelectorAll('input')) {
    const fault = faults.find(({ pointer }) => pointer === `/${input.name}`);
    if (!fault) continue;
    input.setCustomValidity(fault.detail);
    input.reportValidity();
    input.addEventListener('input', () => input.setCustomValidity(''), { once: true });
  }
}

/**
 * Runs the work behind a button once at a time: a second press while it runs does nothing. The button keeps the focus.
 * @param {HTMLElement} button
 * @param {() => Promise<void>} work
 */
export async function once(button, work) {
  if (button.getAttribute('aria-disabled') === 'true') return;
  button.setAttribute('aria-disabled', 'true');
  try {
    await work();
  } finally {
    button.removeAttribute('aria-disabled');
  }
}
