/** Controls of a page: what is pressed does its work once at a time, and says what it was refused for. */

import { note, once, part, warn } from './page.js';
import { sentenceFor } from './problems.js';

/**
 * Puts work behind a control.
 * @param {string} id
 * @param {'click' | 'submit'} type
 * @param {() => unknown} work
 */
export function on(id, type, work) {
  const control = part(id);
  control.addEventListener(type, (event) => {
    event.preventDefault();
    const pressed = event instanceof SubmitEvent ? event.submitter : null;
    doAt(pressed ?? control, work);
  });
}

/** Does work as if that control was pressed. @param {HTMLElement} control @param {() => unknown} work */
export function doAt(control, work) {
  return once(control, async () => {
    warn('');
    try {
      await work();
    } catch (failure) {
      warn(sentenceFor(failure));
    } finally {
      note('');
    }
  });
}
