/**
 * Starts the demo without its scripted buyers and buys from it in a real browser; everything ends with this process.
 *
 *     node run.mjs [screenshot-dir]
 *
 * The command is taken from ONSALE, or from the workspace's debug build.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const ONSALE = process.env.ONSALE ?? join(HERE, '../../../target/debug/onsale');
const UP_WITHIN_MS = 120_000;

/** Waits for the line that says where the page is. */
async function pageOf(demo) {
  const late = setTimeout(() => demo.kill(), UP_WITHIN_MS);
  for await (const line of createInterface({ input: demo.stdout })) {
    const page = /^page +(\S+)/.exec(line);
    if (page) {
      clearTimeout(late);
      return page[1];
    }
  }
  throw new Error('the demo ended before its page was up');
}

const screenshots = process.argv[2] ?? (await mkdtemp(join(tmpdir(), 'onsale-browser-')));
const demo = spawn(ONSALE, ['demo', '--page-only'], { stdio: ['ignore', 'pipe', 'inherit'] });
const ended = once(demo, 'exit');
try {
  const page = await pageOf(demo);
  demo.stdout.resume();
  const buying = spawn(process.execPath, [join(HERE, 'buy.mjs'), page, screenshots], { stdio: 'inherit' });
  const [code] = await once(buying, 'exit');
  process.exitCode = code ?? 1;
} finally {
  demo.kill('SIGTERM');
  await ended;
}
