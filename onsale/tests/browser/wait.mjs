/**
 * Waits in the waiting room as people do, in a real browser, against a running gateway.
 *
 *     node wait.mjs <base-url> <organizer-key> <screenshot-dir> [title]
 *
 * Each scenario has a sale of its own. Prints a line for each step and `N passed, N failed`. Exits 1 when one failed, 64 on
 * bad usage. With a title, only that scenario is run.
 */

import { argumentsNamed, runAll } from './scenario.mjs';
import { Crowd } from './crowd.mjs';
import { Organizer } from './organizer.mjs';
import { ACCESS } from './waiting/access.mjs';
import { CONTINUITY } from './waiting/continuity.mjs';
import { DRAW } from './waiting/draw.mjs';
import { PLAIN } from './waiting/plain.mjs';
import { TELLING } from './waiting/telling.mjs';
import { TRANSPORTS } from './waiting/transports.mjs';
import { Visitor } from './visitor.mjs';

/** Nobody gets in but one, who takes their time. */
const BLOCKED = { rate_per_s: 50, burst: 50, max_shoppers: 1 };

/**
 * @typedef {object} Room a sale of one's own, with people in it
 * @property {string} base
 * @property {{id: string, url: string}} sale
 * @property {Organizer} organizer
 * @property {Crowd} crowd
 * @property {(page: import('playwright-core').Page) => Visitor} visitor
 */

/**
 * @typedef {object} Wait
 * @property {string} title
 * @property {import('./browser.mjs').Settings} [settings]
 * @property {number} [ahead] people in line before; the first of them is inside and keeps everybody else out
 * @property {() => Record<string, unknown>} [config] what the sale differs in
 * @property {string} [state] in which it is when the scenario begins
 * @property {(room: Room, stage: import('./scenario.mjs').Stage) => Promise<void>} run
 */

/** @param {Wait} wait @returns {import('./scenario.mjs').Scenario} */
const scenarioOf = ({ title, settings, ahead = 0, config = () => ({}), state, run }) => ({
  title,
  settings,
  async run(stage) {
    const sale = await organizer.publishes(`${stage.name}-${runId}`, { ...(ahead > 0 && { admission: BLOCKED }), ...config() }, state);
    const crowd = new Crowd(base, sale.id);
    try {
      await crowd.joins(ahead);
      await run({ base, sale, organizer, crowd, visitor: (page) => new Visitor(page, sale.url, stage.shot) }, stage);
    } finally {
      await crowd.disperses();
    }
  },
});

const [base, key, directory, only] = argumentsNamed('base-url', 'organizer-key', 'screenshot-dir');
const organizer = new Organizer(base, key);
/** The same gateway may be waited at many times. */
const runId = Date.now().toString(36);
// The longest first, so that nothing is left running alone at the end.
const waits = [...DRAW, ...TELLING, ...CONTINUITY, ...TRANSPORTS, ...ACCESS, ...PLAIN].filter(({ title }) => !only || title === only);
process.exitCode = (await runAll(waits.map(scenarioOf), directory)) === 0 ? 0 : 1;
