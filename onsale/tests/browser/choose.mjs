/**
 * Chooses tickets and seats as people do whose turn it is, in a real browser, against a running gateway.
 *
 *     node choose.mjs <base-url> <organizer-key> <screenshot-dir> [title]
 *
 * Each scenario has a sale of its own. Prints a line for each step and `N passed, N failed`. Exits 1 when one failed, 64 on
 * bad usage. With a title, only that scenario is run.
 */

import { LOSING } from './choosing/losing.mjs';
import { SCARCITY } from './choosing/scarcity.mjs';
import { SEATS } from './choosing/seats.mjs';
import { argumentsNamed, runAll } from './scenario.mjs';
import { scenariosOf } from './room.mjs';

const [base, key, directory, only] = argumentsNamed('base-url', 'organizer-key', 'screenshot-dir');
const stays = [...LOSING, ...SCARCITY, ...SEATS].filter(({ title }) => !only || title === only);
process.exitCode = (await runAll(scenariosOf(stays, base, key), directory)) === 0 ? 0 : 1;
