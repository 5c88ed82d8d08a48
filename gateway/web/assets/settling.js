/**
 * A double press is for the view that it began in.
 *
 * The first half may bring another view, and whatever stands there where the pressed control stood is under the pointer then:
 * who pressed “Hold these tickets” twice would give them back with the second half. So a view takes no pointer for a moment
 * after it was shown, and of a series of presses those count that are made in the view of the first. Keys are not concerned:
 * a control that goes away takes the focus with it.
 */

/** As long as two presses are one double press: what systems ask for by default. */
const SETTLES_MS = 500;

/** The view in which a series of presses began. */
let began = '';
let isHeard = false;

/**
 * Lets a view that was just shown settle.
 * @param {HTMLElement} view
 * @param {() => string} shown the id of the view that is shown
 */
export function settle(view, shown) {
  if (!isHeard) document.addEventListener('click', (press) => hear(press, shown()), { capture: true });
  isHeard = true;
  view.style.pointerEvents = 'none';
  setTimeout(() => { view.style.pointerEvents = ''; }, SETTLES_MS);
}

/** @param {MouseEvent} press @param {string} shown */
function hear(press, shown) {
  if (press.detail <= 1) {
    began = shown;
  } else if (shown !== began) {
    press.preventDefault();
    press.stopImmediatePropagation();
  }
}
