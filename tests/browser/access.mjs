// What axe-core finds on a page: faults of accessibility that are serious or worse.
//
// Not here: which pages. Invariant: nothing is excepted; a page with a fault fails with its words.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const fromConsole = createRequire(new URL('../../console/package.json', import.meta.url));
const source = readFileSync(fromConsole.resolve('axe-core/axe.min.js'), 'utf8');

/** Lines that say what is wrong; none when all is well. `rules` limits the look to some. */
export async function faultsOf(page, rules = null) {
  // As the browser's own word and not as a script of the page: its policy allows no other's.
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(source);
  const found = await page.evaluate(async (only) => {
    const how = only ? { runOnly: { type: 'rule', values: only } } : {};
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'], ...how });
    return violations.map(({ id, impact, help, nodes }) => ({
      id,
      impact,
      help,
      where: nodes.map((node) => `${node.target.join(' ')}: ${node.any[0]?.message ?? ''}`),
    }));
  }, rules);
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, impact, help, where }) => `${impact} ${id}: ${help}\n    ${where.join('\n    ')}`);
}
