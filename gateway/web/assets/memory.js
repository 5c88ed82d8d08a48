/**
 * What the browser lets these pages keep.
 *
 * | shelf    | is             | survives                                     | when |
 * |----------|----------------|----------------------------------------------|------|
 * | `device` | localStorage   | closing the tab; all tabs see it             | the usual one |
 * | `tab`    | sessionStorage | reloads and our other pages, in this tab     | what another device lent to this tab |
 * | window   | `window.name`  | the same                                     | instead of both, where the browser denies them |
 *
 * A browser that blocks cookies denies storage too. Without the last shelf each reload would then be a new visitor with a
 * new place. The name of a window is no site data, so it stays, and browsers clear it when another site is visited.
 *
 * @typedef {{read: (key: string) => string | null, write: (key: string, text: string) => void, clear: (key: string) => void}} Shelf
 */

const PROBE = 'onsale:probe';
/** What a name of ours begins with; whatever else is in it is not ours to read. */
const NAME_START = 'onsale ';

/** A storage that can be used; null where there is none or it is denied. @param {() => Storage | undefined} named */
function usable(named) {
  try {
    const storage = named();
    storage?.setItem(PROBE, '');
    storage?.removeItem(PROBE);
    return storage ?? null;
  } catch {
    return null;
  }
}

/** @param {Storage} storage @returns {Shelf} */
const shelfOf = (storage) => ({
  read: (key) => storage.getItem(key),
  write: (key, text) => storage.setItem(key, text),
  clear: (key) => storage.removeItem(key),
});

/** A shelf in the name of a window. @param {{name: string}} window @returns {Shelf} */
export function windowShelf(window) {
  const kept = () => {
    try {
      return window.name.startsWith(NAME_START) ? JSON.parse(window.name.slice(NAME_START.length)) : {};
    } catch {
      return {};
    }
  };
  const keep = (/** @type {any} */ texts) => { window.name = NAME_START + JSON.stringify(texts); };
  return {
    read: (key) => kept()[key] ?? null,
    write: (key, text) => keep({ ...kept(), [key]: text }),
    clear: (key) => keep({ ...kept(), [key]: undefined }),
  };
}

const local = usable(() => globalThis.localStorage);
const session = usable(() => globalThis.sessionStorage);
/** Outside of a browser, as in tests, there is no window: then it is forgotten with the page. */
const named = windowShelf(globalThis.window ?? { name: '' });

/** Whether this tab closed and opened again, or a new one, will still know. */
export const outlivesTheTab = local !== null;

/** What all tabs of this browser share. */
export const device = local ? shelfOf(local) : named;

/** What only this tab knows. */
export const tab = session ? shelfOf(session) : named;
