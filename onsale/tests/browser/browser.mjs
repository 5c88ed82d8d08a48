/**
 * A real browser for the scenarios: fresh profiles, and a record of everything that must not happen on our pages.
 */

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
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
/** Switched off by Playwright; people have it. */
const WITH_BACK_FORWARD_CACHE = ['--disable-back-forward-cache'];
/** A phone, because most people buy with one. */
const VIEWPORT = { width: 412, height: 892 };
/** What blocks all cookies in Chromium's settings. */
const BLOCKED = 2;

/** The browser to drive: `CHROMIUM`, or the first that is installed. */
export function chromiumPath() {
  const found = process.env.CHROMIUM ?? PLACES.find((place) => existsSync(place));
  if (!found) throw new Error('no Chromium found; set CHROMIUM to its path');
  return found;
}

/**
 * @typedef {object} Settings
 * @property {'light' | 'dark'} [colorScheme]
 * @property {'allowed' | 'blocked'} [cookies]
 * @property {boolean} [hasTouch]
 * @property {boolean} [javaScriptEnabled]
 * @property {'reduce' | 'no-preference'} [reducedMotion]
 */

/**
 * Runs a scenario in a browser of its own, which is gone afterwards.
 * @param {(context: import('playwright-core').BrowserContext) => Promise<void>} scenario
 * @param {Settings} [settings]
 */
export async function inBrowser(scenario, { colorScheme = 'light', cookies = 'allowed', ...rest } = {}) {
  const profile = await mkdtemp(join(tmpdir(), 'onsale-browser-'));
  if (cookies === 'blocked') await block(profile);
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumPath(), headless: true, args: FLAGS, ignoreDefaultArgs: WITH_BACK_FORWARD_CACHE,
    viewport: VIEWPORT, colorScheme, ...rest,
  });
  try {
    await scenario(context);
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/** @param {string} profile */
async function block(profile) {
  const settings = { profile: { default_content_setting_values: { cookies: BLOCKED } } };
  await mkdir(join(profile, 'Default'));
  await writeFile(join(profile, 'Default', 'Preferences'), JSON.stringify(settings));
}

/** How often a gateway may ask the pages of a scenario to come again: a machine may be busy with the other scenarios. */
const BUSY_MAX = 2;
const BUSY = /status of 503 /;

/** Page errors, console errors and violations of the content security policy, in every page of a browser. */
export class Faults {
  /** @type {string[]} */
  #seen = [];
  #busy = 0;
  /** @type {RegExp[]} */
  #expected = [];

  /** @param {import('playwright-core').BrowserContext} context */
  static async of(context) {
    const faults = new Faults();
    const watch = (/** @type {import('playwright-core').Page} */ page) => {
      page.on('pageerror', (error) => faults.#saw(`page error: ${error.stack ?? error.message}`));
      page.on('console', (message) => {
        if (message.type() === 'error') faults.#saw(`console error: ${message.text()} (${message.location().url})`);
      });
    };
    context.pages().forEach(watch);
    context.on('page', watch);
    await context.exposeFunction('onsaleViolation', (/** @type {string} */ what) => faults.#saw(`policy violation: ${what}`));
    await context.addInitScript(() => {
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
    if (this.#expected.some((expected) => expected.test(fault))) return;
    if (BUSY.test(fault) && (this.#busy += 1) <= BUSY_MAX) console.log(`busy: ${fault}`);
    else this.#seen.push(fault);
  }
}
