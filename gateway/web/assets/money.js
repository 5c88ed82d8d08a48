/**
 * Amounts as people read them. The API counts minor units as Stripe does, which differs from ISO 4217 for some
 * currencies, so the table is Stripe's ("Supported currencies") and not the browser's.
 */

const WITHOUT_DECIMALS = new Set(
  ['bif', 'clp', 'djf', 'gnf', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd', 'vuv', 'xaf', 'xof', 'xpf'],
);
const WITH_THREE_DECIMALS = new Set(['bhd', 'jod', 'kwd', 'omr', 'tnd']);

/**
 * @typedef {{amount: number, currency: string}} Money
 */

/**
 * An amount with its currency, in the reader's language.
 * @param {Money} money
 * @param {string} [language] the browser's by default
 */
export function inWords({ amount, currency }, language) {
  const decimals = decimalsOf(currency);
  return new Intl.NumberFormat(language, {
    style: 'currency',
    currency,
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  }).format(amount / 10 ** decimals);
}

/**
 * So many times an amount.
 * @param {Money} money
 * @param {number} times
 * @returns {Money}
 */
export function multiplied(money, times) {
  return { ...money, amount: money.amount * times };
}

/** @param {string} currency */
function decimalsOf(currency) {
  if (WITHOUT_DECIMALS.has(currency)) return 0;
  return WITH_THREE_DECIMALS.has(currency) ? 3 : 2;
}
