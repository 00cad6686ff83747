// From the whole graph and what was chosen to the scene that is shown.
// Not here: drawing. Invariant: with no choice that leaves assets out, places are remembered, so
// that what changes on the plant moves as little as possible on the map.

import type { Address } from './address';
import { choices } from './filter';
import type { MapEdge, MapNode } from './model';
import { scene, type Scene } from './scene';

export interface Arranged {
  scene: Scene;
  /** Of which assets: the same word means the same choice, so places can be kept. */
  mode: string;
  /** Assets when the places were last given out without a memory. */
  planned: number;
}

/** Grown by more than this since then, a site is laid out anew: the first minutes of a sensor. */
const GROWTH = 1.6;
const GROWTH_MIN = 6;

export function arranged(
  nodes: readonly MapNode[],
  edges: readonly MapEdge[],
  address: Address,
  zones: ReadonlyMap<string, string>,
  tall: boolean,
  last: Arranged | null,
): Arranged {
  const { by, filter } = address;
  let members = nodes;
  let between = edges;
  let mode = `by ${by}${tall ? ' tall' : ''}`;
  if (address.around !== null && nodes.some((node) => node.id === address.around)) {
    mode += ` around ${address.around}`;
    [members, between] = around(nodes, edges, address.around);
  }
  const options = { by, zones, filter, tall };
  if (address.hide && choices(filter) > 0) {
    const whole = scene(members, between, options);
    // Who is left depends on the data: places cannot be kept, and need not be.
    mode += ` only ${JSON.stringify([...Object.values(filter)].map(plain))}`;
    members = whole.nodes.filter((_, index) => whole.kept.nodes[index]);
    between = whole.edges.filter((_, index) => whole.kept.edges[index]);
  }
  const kept =
    last?.mode === mode && members.length <= last.planned * GROWTH + GROWTH_MIN ? last : null;
  const previous = kept?.scene.layout.memory;
  return {
    scene: scene(members, between, { ...options, previous }),
    mode,
    planned: kept?.planned ?? members.length,
  };
}

const plain = (value: unknown): unknown => (value instanceof Set ? [...value].sort() : value);

function around(
  nodes: readonly MapNode[],
  edges: readonly MapEdge[],
  id: string,
): [MapNode[], MapEdge[]] {
  const near = new Set([id]);
  for (const edge of edges) {
    if (edge.a === id) near.add(edge.b);
    if (edge.b === id) near.add(edge.a);
  }
  return [
    nodes.filter((node) => near.has(node.id)),
    edges.filter((edge) => near.has(edge.a) && near.has(edge.b)),
  ];
}
