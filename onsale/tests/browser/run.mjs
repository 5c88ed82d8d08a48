/**
 * Starts the demo without its scripted buyers, buys from it, waits in its waiting room, chooses seats and gets what comes back
 * in a real browser; everything ends with this process.
 *
 *     node run.mjs [screenshot-dir]
 *
 * The command is taken from ONSALE, or from the workspace's debug build.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const ONSALE = process.env.ONSALE ?? join(HERE, '../../../target/debug/onsale');
const UP_WITHIN_MS = 120_000;

/** Waits for the lines that say where the page and the mail are and what opens the organizer API. */
async function upOf(demo) {
  const late = setTimeout(() => demo.kill(), UP_WITHIN_MS);
  const said = new Map();
  for await (const line of createInterface({ input: demo.stdout })) {
    const [, name, value] = /^(page|mail|key) +(\S+)/.exec(line) ?? [];
    if (name) said.set(name, value);
    if (said.size < 3) continue;
    clearTimeout(late);
    return { page: said.get('page'), mail: said.get('mail'), key: said.get('key') };
  }
  throw new Error('the demo ended before its page was up');
}

/** Runs a script of this directory to its end. @param {string} script @param {...string} args */
async function works(script, ...args) {
  const running = spawn(process.execPath, [join(HERE, script), ...args], { stdio: 'inherit' });
  const [code] = await once(running, 'exit');
  return code === 0;
}

const asked = process.argv[2];
const screenshots = asked ?? (await mkdtemp(join(tmpdir(), 'onsale-browser-')));
const demo = spawn(ONSALE, ['demo', '--page-only'], { stdio: ['ignore', 'pipe', 'inherit'] });
const ended = once(demo, 'exit');
try {
  const { page, mail, key } = await upOf(demo);
  demo.stdout.resume();
  const bought = await works('buy.mjs', page, screenshots);
  // Side by side: both mostly wait, each for sales of its own.
  const [waited, chose] = await Promise.all(
    ['wait.mjs', 'choose.mjs'].map((script) => works(script, new URL(page).origin, key, screenshots)),
  );
  // Last, because it sets the clock ahead for all.
  const listed = await works('listed.mjs', new URL(page).origin, key, screenshots, mail, String(demo.pid));
  process.exitCode = bought && waited && chose && listed ? 0 : 1;
} finally {
  demo.kill('SIGTERM');
  await ended;
}
// Pictures that nobody asked for are of use only where something failed.
if (asked === undefined && process.exitCode === 0) await rm(screenshots, { recursive: true });
