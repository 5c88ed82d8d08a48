/**
 * Scenarios: a title, steps, and how they are run.
 *
 * A scenario fails at its first step that does not work, and at any page error, console error or violation of the content
 * security policy. Each runs in a browser of its own; several run side by side, because they mostly wait.
 */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { Faults, inBrowser } from './browser.mjs';

const SIDE_BY_SIDE = 4;
const BAD_USAGE = 64;

/**
 * @typedef {(name: string, work: () => unknown) => Promise<void>} Step
 * @typedef {object} Stage
 * @property {import('playwright-core').BrowserContext} context
 * @property {import('playwright-core').Page} page the first page of it
 * @property {Faults} faults
 * @property {Step} step
 * @property {(name: string) => string} shot gives the file for a screenshot
 * @property {string} name the title as part of a name
 */

/**
 * @typedef {object} Scenario
 * @property {string} title
 * @property {import('./browser.mjs').Settings} [settings]
 * @property {(stage: Stage) => Promise<void>} run
 */

/** A step that failed, already told. */
class StepFailed extends Error {}

/**
 * Runs all of them, prints a line for each step and how many passed.
 * @param {Scenario[]} scenarios @param {string} directory for screenshots
 * @param {number} [sideBySide] 1 where they would disturb each other
 * @returns {Promise<number>} how many failed
 */
export async function runAll(scenarios, directory, sideBySide = SIDE_BY_SIDE) {
  await mkdir(directory, { recursive: true });
  const waiting = [...scenarios];
  let failed = 0;
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      if (!(await works(next, directory))) failed += 1;
    }
  };
  await Promise.all(Array.from({ length: sideBySide }, worker));
  console.log(`${scenarios.length - failed} passed, ${failed} failed`);
  return failed;
}

/** @param {Scenario} scenario @param {string} directory */
async function works({ title, run, settings }, directory) {
  const name = title.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  let shots = 0;
  const shot = (/** @type {string} */ view) => join(directory, `${name}-${String((shots += 1)).padStart(2, '0')}-${view}.png`);
  try {
    await inBrowser(async (context) => {
      const faults = await Faults.of(context);
      const page = context.pages()[0] ?? await context.newPage();
      const step = (/** @type {string} */ what, /** @type {() => unknown} */ work) => doStep(`${title}: ${what}`, work, context, faults, shot);
      await run({ context, page, faults, step, shot, name });
    }, settings);
    return true;
  } catch (failure) {
    if (!(failure instanceof StepFailed)) console.log(`FAILED ${title}: ${failure instanceof Error ? failure.stack : failure}`);
    return false;
  }
}

/**
 * @param {string} name @param {() => unknown} work @param {import('playwright-core').BrowserContext} context
 * @param {Faults} faults @param {(name: string) => string} shot
 */
async function doStep(name, work, context, faults, shot) {
  const startedAt = performance.now();
  try {
    await work();
    faults.mustBeNone();
    console.log(`ok ${name} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`);
  } catch (failure) {
    const page = context.pages().at(-1);
    const file = shot('failed');
    await page?.screenshot({ path: file, fullPage: true }).catch(() => {});
    console.log(`FAILED ${name} at ${page?.url()}, see ${file}\n${failure instanceof Error ? failure.message : failure}`);
    throw new StepFailed(name);
  }
}

/**
 * The arguments of a script, or its end.
 * @param {...string} names
 */
export function argumentsNamed(...names) {
  const given = process.argv.slice(2);
  if (given.length >= names.length) return given;
  console.error(`usage: node ${process.argv[1]?.split('/').at(-1)} ${names.map((name) => `<${name}>`).join(' ')}`);
  return process.exit(BAD_USAGE);
}
