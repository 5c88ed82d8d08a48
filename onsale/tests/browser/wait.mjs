/**
 * Waits in the waiting room as people do, in a real browser, against a running gateway.
 *
 *     node wait.mjs <base-url> <organizer-key> <screenshot-dir> [title]
 *
 * Each scenario has a sale of its own. Prints a line for each step and `N passed, N failed`. Exits 1 when one failed, 64 on
 * bad usage. With a title, only that scenario is run.
 */

import { argumentsNamed, runAll } from './scenario.mjs';
import { scenariosOf } from './room.mjs';
import { ACCESS } from './waiting/access.mjs';
import { CONTINUITY } from './waiting/continuity.mjs';
import { DRAW } from './waiting/draw.mjs';
import { PLAIN } from './waiting/plain.mjs';
import { TELLING } from './waiting/telling.mjs';
import { TRANSPORTS } from './waiting/transports.mjs';

const [base, key, directory, only] = argumentsNamed('base-url', 'organizer-key', 'screenshot-dir');
// The longest first, so that nothing is left running alone at the end.
const waits = [...DRAW, ...TELLING, ...CONTINUITY, ...TRANSPORTS, ...ACCESS, ...PLAIN].filter(({ title }) => !only || title === only);
process.exitCode = (await runAll(scenariosOf(waits, base, key), directory)) === 0 ? 0 : 1;
