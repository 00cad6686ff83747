// Links summed up in words: protocols, operations, who asks whom; for tips, panel and list.
// Not here: markup. Invariant: pure; texts are made for people and never parsed again.

import { CHANGING, type MapEdge } from './model';
import { groupKeyLabel, type Scene } from './scene';

export interface Share {
  name: string;
  amount: number;
  changes: boolean;
}

export function protocolShares(edges: readonly MapEdge[]): Share[] {
  return shares(edges.map((edge) => edge.volumes));
}

export function operationShares(edges: readonly MapEdge[]): Share[] {
  return shares(edges.map((edge) => edge.operations));
}

export function shares(counts: readonly Readonly<Record<string, number>>[]): Share[] {
  const sums = new Map<string, number>();
  for (const count of counts) {
    for (const [name, amount] of Object.entries(count)) {
      sums.set(name, (sums.get(name) ?? 0) + amount);
    }
  }
  return [...sums]
    .map(([name, amount]) => ({ name, amount, changes: CHANGING.has(name) }))
    .sort((a, b) => b.amount - a.amount || (a.name < b.name ? -1 : 1));
}

/** `hmi-01 → plc-01`; a double arrow where each asks the other. */
export function ends(scene: Scene, edge: number): { from: number; to: number; both: boolean } {
  const a = scene.from[edge] ?? 0;
  const b = scene.to[edge] ?? 0;
  const client = scene.edges[edge]?.client ?? null;
  const backwards = client !== null && scene.nodes[b]?.id === client;
  return { from: backwards ? b : a, to: backwards ? a : b, both: client === null };
}

export function title(scene: Scene, edge: number): string {
  const { from, to, both } = ends(scene, edge);
  return `${scene.nodes[from]?.name ?? '?'} ${both ? '↔' : '→'} ${scene.nodes[to]?.name ?? '?'}`;
}

export function bundleTitle(scene: Scene, bundle: number): string {
  const found = scene.bundles[bundle];
  if (!found) return '';
  return `${groupKeyLabel(scene, found.a)} ↔ ${groupKeyLabel(scene, found.b)}`;
}
