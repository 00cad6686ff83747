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

/** Links that the first critical and high findings are about, with the worst of each. */
export function troubleOf(
  findings: readonly Pick<FindingRow, 'assets' | 'severity'>[],
  scene: Scene,
): Map<number, Severity> {
  const trouble = new Map<number, Severity>();
  const grave = findings.filter(
    ({ severity, assets }) =>
      (severity === 'critical' || severity === 'high') && assets.length <= ASSETS_MAX,
  );
  for (const finding of grave.slice(0, DRAWN_MAX)) {
    for (const at of placeOf(finding, scene).edges)
      if (!trouble.has(at)) trouble.set(at, finding.severity);
  }
  return trouble;
}
