// Which assets and links stay when the operator narrows the map.
// Not here: search, which finds without hiding. Invariant: a link stays only if both its ends do;
// an empty choice leaves everything.

import { bandOf, BANDS, severityRank, type MapEdge, type MapNode } from './model';
import { FAMILIES, familyOf } from './protocols';

export interface Filter {
  /** Keys of BANDS. */
  levels: ReadonlySet<string>;
  classes: ReadonlySet<string>;
  /** Ids of FAMILIES. */
  families: ReadonlySet<string>;
  protocols: ReadonlySet<string>;
  /** Labels of groups. */
  zones: ReadonlySet<string>;
  /** Least rank of the worst open finding; 0 leaves all. */
  severity: number;
  /** Seen within so many seconds before the newest thing seen; null leaves all. */
  window: number | null;
}

const NONE: ReadonlySet<string> = new Set();

export const EVERYTHING: Filter = {
  levels: NONE,
  classes: NONE,
  families: NONE,
  protocols: NONE,
  zones: NONE,
  severity: 0,
  window: null,
};

/** How many kinds of choice are made; what the button shows. */
export function choices(filter: Filter): number {
  const sets = [filter.levels, filter.classes, filter.families, filter.protocols, filter.zones];
  return (
    sets.filter((set) => set.size > 0).length +
    Number(filter.severity > 0) +
    Number(filter.window !== null)
  );
}

export interface Kept {
  nodes: Uint8Array;
  edges: Uint8Array;
  nodeCount: number;
  edgeCount: number;
}

export interface Ends {
  from: ArrayLike<number>;
  to: ArrayLike<number>;
}

export function keep(
  nodes: readonly MapNode[],
  edges: readonly MapEdge[],
  ends: Ends,
  zoneOf: (index: number) => string,
  filter: Filter,
): Kept {
  const since = filter.window === null ? '' : cutoff(nodes, filter.window);
  const kept: Kept = {
    nodes: new Uint8Array(nodes.length),
    edges: new Uint8Array(edges.length),
    nodeCount: 0,
    edgeCount: 0,
  };
  nodes.forEach((node, index) => {
    kept.nodes[index] = Number(nodeStays(node, zoneOf(index), filter, since));
  });
  const byProtocol = filter.families.size > 0 || filter.protocols.size > 0;
  const speaks = byProtocol ? new Uint8Array(nodes.length) : null;
  edges.forEach((edge, index) => {
    const a = ends.from[index] ?? -1;
    const b = ends.to[index] ?? -1;
    if (!kept.nodes[a] || !kept.nodes[b]) return;
    if (edge.last_seen < since || (byProtocol && !edgeSpeaks(edge, filter))) return;
    kept.edges[index] = 1;
    kept.edgeCount += 1;
    if (speaks) speaks[a] = speaks[b] = 1;
  });
  for (let index = 0; index < nodes.length; index += 1) {
    // Who does not speak the protocol is not part of its picture.
    if (speaks && !speaks[index]) kept.nodes[index] = 0;
    kept.nodeCount += kept.nodes[index] ?? 0;
  }
  return kept;
}

function nodeStays(node: MapNode, zone: string, filter: Filter, since: string): boolean {
  const has = (set: ReadonlySet<string>, value: string) => set.size === 0 || set.has(value);
  return (
    has(filter.levels, BANDS[bandOf(node.purdue)]?.key ?? '') &&
    has(filter.classes, node.class) &&
    has(filter.zones, zone) &&
    severityRank(node.severity) >= filter.severity &&
    node.last_seen >= since
  );
}

function edgeSpeaks(edge: MapEdge, filter: Filter): boolean {
  return edge.protocols.some(
    (protocol) =>
      (filter.protocols.size === 0 || filter.protocols.has(protocol)) &&
      (filter.families.size === 0 || filter.families.has(FAMILIES[familyOf(protocol)]?.id ?? '')),
  );
}

/** The moment the window begins. It ends with the newest asset seen: an old capture has its own. */
export function cutoff(nodes: readonly MapNode[], seconds: number): string {
  const newest = newestOf(nodes);
  const at = Date.parse(newest);
  // Times of the API are of one form, so their text sorts as they do.
  return Number.isNaN(at) ? '' : new Date(at - seconds * 1000).toISOString();
}

export function newestOf(nodes: readonly MapNode[]): string {
  return nodes.reduce((best, node) => (node.last_seen > best ? node.last_seen : best), '');
}

/** Indices of the assets a search finds, best first: names that begin so, then all others. */
export function search(
  nodes: readonly MapNode[],
  zoneOf: (index: number) => string,
  text: string,
): number[] {
  const wanted = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return [];
  const found: { index: number; score: number; name: string }[] = [];
  nodes.forEach((node, index) => {
    const name = node.name.toLowerCase();
    const rest = `${node.ip ?? ''} ${node.vendor ?? ''} ${node.class} ${node.id} ${zoneOf(index)}`;
    const all = `${name} ${rest.toLowerCase()}`;
    if (!wanted.every((word) => all.includes(word))) return;
    const first = wanted[0] ?? '';
    const score =
      name === first || node.ip === first
        ? 0
        : name.startsWith(first)
          ? 1
          : name.includes(first)
            ? 2
            : 3;
    found.push({ index, score, name });
  });
  found.sort(
    (a, b) => a.score - b.score || (a.name < b.name ? -1 : a.name > b.name ? 1 : a.index - b.index),
  );
  return found.map((row) => row.index);
}
