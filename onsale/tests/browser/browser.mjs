/**
 * A real browser for one scenario: a fresh profile, and a record of everything that must not happen on our pages.
 */

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

const PLACES = [
  '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];
/** A phone, because most people buy with one. */
const VIEWPORT = { width: 412, height: 892 };

/** The browser to drive: `CHROMIUM`, or the first that is installed. */
export function chromiumPath() {
  const found = process.env.CHROMIUM ?? PLACES.find((place) => existsSync(place));
  if (!found) throw new Error('no Chromium found; set CHROMIUM to its path');
  return found;
}

/**
 * Runs a scenario in a browser of its own, which is gone afterwards.
 * @param {(page: import('playwright-core').Page, faults: Faults) => Promise<void>} scenario
 * @param {{colorScheme?: 'light' | 'dark'}} [options]
 */
export async function inBrowser(scenario, { colorScheme = 'light' } = {}) {
  const profile = await mkdtemp(join(tmpdir(), 'onsale-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumPath(), headless: true, args: FLAGS, viewport: VIEWPORT, colorScheme,
  });
  try {
    const page = context.pages()[0] ?? await context.newPage();
    await scenario(page, await Faults.of(page));
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/** Page errors, console errors and violations of the content security policy. */
export class Faults {
  /** @type {string[]} */
  #seen = [];
  /** @type {RegExp[]} */
  #expected = [];

  /** @param {import('playwright-core').Page} page */
  static async of(page) {
    const faults = new Faults();
    page.on('pageerror', (error) => faults.#saw(`page error: ${error.stack ?? error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error') faults.#saw(`console error: ${message.text()} (${message.location().url})`);
    });
    await page.exposeFunction('onsaleViolation', (/** @type {string} */ what) => faults.#saw(`policy violation: ${what}`));
    await page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => {
        // @ts-ignore: exposed above
        globalThis.onsaleViolation(`${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    return faults;
  }

  /** Allows a fault that belongs to the scenario: a refusal that the browser reports as a failed load. @param {RegExp} fault */
  expect(fault) {
    this.#expected.push(fault);
  }

  /** Throws when anything was seen that was not expected. */
  mustBeNone() {
    if (this.#seen.length > 0) throw new Error(this.#seen.join('\n'));
  }

  /** @param {string} fault */
  #saw(fault) {
    if (!this.#expected.some((expected) => expected.test(fault))) this.#seen.push(fault);
  }
}
