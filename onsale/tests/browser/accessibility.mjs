/** What axe finds wrong with the view on screen (WCAG 2.2 AA). */

import axe from 'axe-core';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/**
 * Throws with every finding.
 * @param {import('playwright-core').Page} page
 */
export async function mustBeAccessible(page) {
  await page.evaluate(axe.source);
  const findings = await page.evaluate(async (rules) => {
    // Preloading would copy a foreign style sheet into an inline one, which the policy of the page forbids.
    const options = { runOnly: rules, resultTypes: ['violations'], preload: false };
    // @ts-ignore: the line before put it there
    const { violations } = await globalThis.axe.run(document, options);
    return violations.map((/** @type {any} */ { id, help, nodes }) =>
      `${id}: ${help}: ${nodes.map((/** @type {any} */ { target }) => target.join(' ')).join(', ')}`);
  }, RULES);
  if (findings.length > 0) throw new Error(`not accessible:\n${findings.join('\n')}`);
}
