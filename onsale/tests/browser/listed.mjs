/**
 * Gets what comes back to a sold-out sale, in a real browser, against a running demo.
 *
 *     node listed.mjs <base-url> <organizer-key> <screenshot-dir> <mail-url> <demo-pid> [title]
 *
 * Each scenario has a sale of its own, but the clock of offers is everybody's, and each sets it ahead; so they run one after
 * the other. Prints a line for each step and `N passed, N failed`. Exits 1 when one failed, 64 on bad usage. With a title, only
 * that scenario is run.
 */

import { waitsOf } from './listing/waits.mjs';
import { Mailbox } from './mailbox.mjs';
import { argumentsNamed, runAll } from './scenario.mjs';
import { scenariosOf } from './room.mjs';

const [base, key, directory, mail, demo, only] = argumentsNamed('base-url', 'organizer-key', 'screenshot-dir', 'mail-url', 'demo-pid');
const world = { mailbox: new Mailbox(mail), leap: () => process.kill(Number(demo), 'SIGUSR1') };
const waits = waitsOf(world).filter(({ title }) => !only || title === only);
process.exitCode = (await runAll(scenariosOf(waits, base, key), directory, 1)) === 0 ? 0 : 1;
