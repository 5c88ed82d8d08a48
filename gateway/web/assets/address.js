/** Where this page is: the addresses of the pages and what they carry. */

/**
 * What the path of a page says: `/s/{slug}`, `/s/{slug}/checkout`, `/s/{slug}/orders/{order}`, `/s/{slug}/waitlist/{entry}`. What is
 * named last is `order` whatever it is.
 * @param {string} [path]
 */
export function addressOf(path = location.pathname) {
  const [, , slug = '', , order = ''] = path.split('/').map(decoded);
  return { slug, order };
}

/** What a part of a path stands for; a part that nobody encoded so stands for itself, and names nothing. @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {string} slug */
export const salePage = (slug) => `/s/${encodeURIComponent(slug)}`;

/** @param {string} slug */
export const checkoutPage = (slug) => `${salePage(slug)}/checkout`;

/** @param {string} slug */
export const waitlistPage = (slug) => `${salePage(slug)}/waitlist`;

/** @param {string} slug @param {string} entry */
export const entryPage = (slug, entry) => `${waitlistPage(slug)}/${encodeURIComponent(entry)}`;

/** @param {string} slug @param {string} order */
export const orderPage = (slug, order) => `${salePage(slug)}/orders/${encodeURIComponent(order)}`;

/**
 * Takes what came behind `?` and `#` out of the address bar, so that no token stays in the history or in a screenshot.
 * @returns {{query: URLSearchParams, fragment: URLSearchParams}}
 */
export function takeParameters() {
  const taken = {
    query: new URLSearchParams(location.search),
    fragment: new URLSearchParams(location.hash.slice(1)),
  };
  if (location.search || location.hash) history.replaceState(history.state, '', location.pathname);
  return taken;
}
