/**
 * The rules, read as they are written here: one key a line, the query in a block. It is no reader of YAML; what it does not know it
 * leaves out, and a test compares the count with promtool's.
 */

import { filesIn, read } from './project.mjs';

/** @returns {{alert?: string, record?: string, expr: string, [key: string]: string | undefined}[]} */
export function rulesIn(/** @type {string} */ file) {
  const rules = [];
  let block = '';
  for (const line of read(`prometheus/rules/${file}`).split('\n')) {
    const begun = /^ {6}- (alert|record): (\S+)$/.exec(line);
    // A block is deeper than the key it belongs to: a query by ten spaces, a sentence by twelve.
    const isInside = block && line.startsWith(' '.repeat(block === 'expr' ? 10 : 12));
    const key = !isInside && /^ {8,10}(\w+):(?: (.+))?$/.exec(line);
    if (begun) {
      rules.push({ [begun[1]]: begun[2], expr: '' });
      block = '';
    } else if (isInside) {
      rules.at(-1)[block] += `${line.trim()} `;
    } else if (key && rules.length) {
      const [, name, value = ''] = key;
      block = ['|', '>-'].includes(value) ? name : '';
      rules.at(-1)[name] = block ? '' : value.replace(/^"(.*)"$/, '$1');
    }
  }
  return rules;
}

export const RULE_FILES = filesIn('prometheus/rules', '.yml');
export const ALL = RULE_FILES.flatMap(rulesIn);
export const ALERTS = ALL.filter(({ alert }) => alert);
export const RECORDED = ALL.filter(({ record }) => record);
