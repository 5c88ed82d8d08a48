/** As much of PromQL as the rules need: which series a query reads, and under what. Whether it parses is promtool's to say. */

const KEYWORDS = new Set(['and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan']);
const TOKEN =
  /(?<grouping>\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\))|(?<range>\[[^\]]*\])|(?<matchers>\{(?:[^}"]|"(?:[^"\\]|\\.)*")*\})|"(?:[^"\\]|\\.)*"|\d+(?:\.\d+)?(?:ms|[smhdwy])?|(?<word>[a-zA-Z_:][\w:]*)|\S/g;

/**
 * @param {string} query
 * @returns {{metric: string, matchers: string, range: string, under: string}[]} `under` is the function right around it
 */
export function selectorsOf(query) {
  const tokens = [...query.matchAll(TOKEN)].filter(({ groups }) => !groups.grouping);
  return tokens.flatMap(({ groups: { word } }, at) => {
    const after = (/** @type {number} */ by) => tokens[at + by];
    if (!word || KEYWORDS.has(word) || after(1)?.[0] === '(') {
      return [];
    }
    const matchers = after(1)?.groups.matchers ?? '';
    const range = after(matchers ? 2 : 1)?.groups.range ?? '';
    const under = after(-1)?.[0] === '(' ? (after(-2)?.groups.word ?? '') : '';
    return [{ metric: word, matchers, range, under }];
  });
}
