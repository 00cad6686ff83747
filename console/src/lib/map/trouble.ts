// Where on the map a finding is, and which links stand out for what is wrong.
// Not here: which findings are open. Invariant: pure; what is not on the map is nowhere.

import type { FindingRow } from '../api/types';
import type { Severity } from './model';
import type { Scene } from './scene';

/** Of findings about more assets than this, as scans are, lines would tell nothing. */
const ASSETS_MAX = 4;

export interface Place {
  nodes: number[];
  edges: number[];
}

/** Where in a scene the assets of a finding are, and the links between them. */
export function placeOf(finding: Pick<FindingRow, 'assets'>, scene: Scene): Place {
  const nodes = finding.assets.flatMap((asset) => scene.indexOf.get(asset.id) ?? []);
  const among = new Set(nodes);
  const edges = nodes.flatMap((index) =>
    (scene.links[index] ?? []).filter(
      (at) => among.has(scene.from[at] ?? -1) && among.has(scene.to[at] ?? -1),
    ),
  );
  return { nodes, edges: [...new Set(edges)] };
}

/** So many at once are news; where everything stands out nothing does. */
const DRAWN_MAX = 8;

/** What stands out for what is wrong, with the worst severity of each. */
export interface Trouble {
  nodes: Map<number, Severity>;
  edges: Map<number, Severity>;
}

export const NO_TROUBLE: Trouble = { nodes: new Map(), edges: new Map() };

/** A long name stands in a title cut to 40 characters, the last of which tells that it is. */
const beginning = (name: string) => [...name].slice(0, 39).join('').trimEnd();

/**
 * Assets and links that the first critical and high findings are about. Of a scan of many only who
 * scans: its title begins with that name.
 */
export function troubleOf(
  findings: readonly Pick<FindingRow, 'assets' | 'severity' | 'title'>[],
  scene: Scene,
): Trouble {
  const trouble: Trouble = { nodes: new Map(), edges: new Map() };
  const mark = (of: Map<number, Severity>, at: number, severity: Severity) => {
    if (!of.has(at)) of.set(at, severity);
  };
  const grave = findings.filter(({ severity }) => severity === 'critical' || severity === 'high');
  for (const { assets, severity, title } of grave.slice(0, DRAWN_MAX)) {
    const few = assets.length <= ASSETS_MAX;
    const who = few ? assets : assets.filter((asset) => title.startsWith(beginning(asset.name)));
    const place = placeOf({ assets: who }, scene);
    for (const at of place.nodes) mark(trouble.nodes, at, severity);
    if (few) for (const at of place.edges) mark(trouble.edges, at, severity);
  }
  return trouble;
}
