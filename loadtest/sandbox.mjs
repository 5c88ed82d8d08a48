/** The sandbox of a run: gateway and workers in one process on private servers, as `onsale demo --servers-only` starts them. */

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

import { ROOT } from './k6.mjs';

const run = promisify(execFile);

const ONSALE = process.env.ONSALE ?? join(ROOT, 'target/debug/onsale');
const UP_WITHIN_MS = 120_000;
const END_WITHIN_MS = 30_000;
const AUDIT_MAX_MS = 120_000;
/** What it prints, the last of them when it is up. */
const NAMES = ['mail', 'key', 'postgres', 'redis', 'page'];

export class Sandbox {
  #process;
  #ended;
  #said;

  constructor(process, said) {
    this.#process = process;
    this.#ended = process.exitCode === null ? once(process, 'exit') : Promise.resolve();
    this.#said = said;
  }

  /** Starts it. @param {NodeJS.ProcessEnv} knobs STRIPE_LATENCY_MS, STRIPE_LATENCY_SIGMA, STRIPE_WRITES_PER_S */
  static async start({ STRIPE_LATENCY_MS = '0', STRIPE_LATENCY_SIGMA = '0.5', STRIPE_WRITES_PER_S = '100' }) {
    const knobs = ['--stripe-latency-ms', STRIPE_LATENCY_MS, '--stripe-latency-sigma', STRIPE_LATENCY_SIGMA, '--stripe-writes-per-s', STRIPE_WRITES_PER_S];
    // In a group of its own: Ctrl-C is for the runner, which lets k6 finish before the gateway goes.
    const started = spawn(ONSALE, ['demo', '--servers-only', ...knobs], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    const late = setTimeout(() => started.kill('SIGKILL'), UP_WITHIN_MS);
    const failed = once(started, 'error').then(([error]) => { throw error; });
    try {
      const said = await Promise.race([saysWhereItIs(started), failed]);
      started.stdout.resume();
      return new Sandbox(started, said);
    } catch (failure) {
      started.kill('SIGKILL');
      throw new Error(`the sandbox did not start: ${failure.message}`);
    } finally {
      clearTimeout(late);
      failed.catch(() => {});
    }
  }

  /** What scripts need to know of it. */
  get env() {
    return { ONSALE_URL: this.#said.get('page'), ONSALE_ORGANIZER_KEY: this.#said.get('key'), MAIL_URL: this.#said.get('mail') };
  }

  get postgres() {
    return this.#said.get('postgres');
  }

  /** Sets the clock of orders and offers ahead by five minutes. */
  leaps() {
    this.#process.kill('SIGUSR1');
  }

  /** Checks every invariant of all that was done here, in both stores; gives what is broken, or nothing. @returns {Promise<string>} */
  async breaches() {
    const env = { ...process.env, DATABASE_URL: this.postgres, REDIS_URL: this.#said.get('redis') };
    try {
      await run(ONSALE, ['audit'], { env, timeout: AUDIT_MAX_MS });
      return '';
    } catch (failure) {
      return failure.stdout || failure.message;
    }
  }

  /** Ends it, and everything that it started. */
  async stop() {
    const late = setTimeout(() => this.#process.kill('SIGKILL'), END_WITHIN_MS);
    this.#process.kill('SIGTERM');
    await this.#ended;
    clearTimeout(late);
  }
}

async function saysWhereItIs(started) {
  const said = new Map();
  for await (const line of createInterface({ input: started.stdout })) {
    const [, name, value] = /^(\w+) +(\S+)$/.exec(line) ?? [];
    if (name) said.set(name, value);
    if (NAMES.every((wanted) => said.has(wanted))) return said;
  }
  throw new Error('it ended before it was up');
}
