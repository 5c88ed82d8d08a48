/** The k6 that scenarios are run with: one version, built from source where it is missing, kept in target/. */

import { execFile } from 'node:child_process';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MODULE = 'go.k6.io/k6/v2';
const VERSION = 'v2.2.0';
const BUILD_MAX_MS = 900_000;

/** No extension is fetched, and nobody is told that it was used. */
export const K6_ENV = { K6_AUTO_EXTENSION_RESOLUTION: 'false', K6_NO_USAGE_REPORT: 'true' };

/** Where it is: K6 names another one. @param {AbortSignal} [signal] ends a build @returns {Promise<string>} */
export async function k6(signal) {
  if (process.env.K6) return process.env.K6;
  const folder = join(ROOT, 'target', `k6-${VERSION}`);
  const program = join(folder, 'k6');
  if (await access(program).then(() => true, () => false)) return program;
  console.error(`building k6 ${VERSION}: this takes minutes, once`);
  await mkdir(folder, { recursive: true });
  // Built beside and then renamed: who ends this leaves no half of it.
  const unfinished = `${program}.${process.pid}`;
  try {
    await build(unfinished, signal);
    await rename(unfinished, program);
  } finally {
    await rm(unfinished, { force: true });
  }
  return program;
}

/**
 * In the folder of the module, with its own go.mod and go.sum: what `go install` does, which also asks for later versions, and fails
 * where a mirror has only those that were asked for before.
 */
async function build(program, signal) {
  // What go started ends with it when it is interrupted, and not when it is killed.
  const options = { signal, killSignal: 'SIGINT', timeout: BUILD_MAX_MS, env: { ...process.env, CGO_ENABLED: '0' }, maxBuffer: 1 << 24 };
  try {
    const { stdout } = await run('go', ['mod', 'download', '-json', `${MODULE}@${VERSION}`], { ...options, cwd: '/' });
    await run('nice', ['go', 'build', '-trimpath', '-o', program, '.'], { ...options, cwd: JSON.parse(stdout).Dir });
  } catch (failure) {
    if (failure.code === 'ENOENT') throw new Error('go is needed to build k6 (1.25 or newer; https://go.dev/dl), or K6 that names one');
    throw failure;
  }
}
