// The graph made ready to draw and to point at: indices, curves, widths, bundles, neighbours.
// Not here: pixels. Invariant: nothing in a scene changes once it is made; a change of the data or
// of the filter makes a new scene.

import { curve, distanceTo, groupCurve, STRIDE } from './curves';
import { cutoff, EVERYTHING, keep, type Filter, type Kept } from './filter';
import type { GroupBy } from './groups';
import { CELL_W, layout, type Box, type Layout, type Memory } from './layout';
import { BANDS, CHANGING, severityRank, type MapEdge, type MapNode, type Severity } from './model';
import { leadingFamily } from './protocols';

/** All links between two groups. */
export interface Bundle {
  a: number;
  b: number;
  edges: number[];
  bytes: number;
  family: number;
  /** Pixels, at any zoom. */
  width: number;
}

export interface GroupSum {
  kept: number;
  severity: Severity | null;
  findings: number;
  /** Class -> assets, most first. */
  classes: [string, number][];
}

export interface Scene {
  nodes: readonly MapNode[];
  edges: readonly MapEdge[];
  indexOf: ReadonlyMap<string, number>;
  from: Int32Array;
  to: Int32Array;
  layout: Layout;
  curves: Float32Array;
  family: Uint8Array;
  width: Float32Array;
  /** 1 where a link changes devices or the process. */
  changes: Uint8Array;
  kept: Kept;
  bundles: Bundle[];
  bundleCurves: Float32Array;
  sums: GroupSum[];
  /** Links of each asset. */
  links: number[][];
  /** 1 where an asset has been silent for a day. */
  quiet: Uint8Array;
}

export interface SceneOptions {
  by?: GroupBy;
  zones?: ReadonlyMap<string, string>;
  filter?: Filter;
  tall?: boolean;
  previous?: Memory | undefined;
}

const QUIET_S = 86_400;

export function scene(
  nodes: readonly MapNode[],
  edges: readonly MapEdge[],
  options: SceneOptions = {},
): Scene {
  const indexOf = new Map(nodes.map((node, index) => [node.id, index]));
  const known = edges.filter(
    (edge) => indexOf.has(edge.a) && indexOf.has(edge.b) && edge.a !== edge.b,
  );
  const from = Int32Array.from(known, (edge) => indexOf.get(edge.a) ?? 0);
  const to = Int32Array.from(known, (edge) => indexOf.get(edge.b) ?? 0);
  const placed = layout(nodes, {
    by: options.by ?? 'zone',
    zones: options.zones ?? new Map(),
    tall: options.tall,
    previous: options.previous,
  });
  const curves = new Float32Array(known.length * STRIDE);
  for (let at = 0; at < known.length; at += 1) {
    curve(placed, from[at] ?? 0, to[at] ?? 0, curves, at * STRIDE);
  }
  const zoneOf = (index: number) => placed.groups[placed.of[index] ?? 0]?.label ?? '';
  const kept = keep(nodes, known, { from, to }, zoneOf, options.filter ?? EVERYTHING);
  const links: number[][] = nodes.map(() => []);
  known.forEach((_, at) => {
    links[from[at] ?? 0]?.push(at);
    links[to[at] ?? 0]?.push(at);
  });
  const looks = known.map(lookOf);
  const family = Uint8Array.from(looks, (look) => look.family);
  const bundles = bundled(known, from, to, placed, kept, family);
  const bundleCurves = new Float32Array(bundles.length * STRIDE);
  bundles.forEach((bundle, at) => {
    const one = placed.groups[bundle.a];
    const two = placed.groups[bundle.b];
    if (one && two) groupCurve(one, two, bundleCurves, at * STRIDE);
  });
  const silentBefore = cutoff(nodes, QUIET_S);
  return {
    nodes,
    edges: known,
    indexOf,
    from,
    to,
    layout: placed,
    curves,
    family,
    width: Float32Array.from(looks, (look) => look.width),
    changes: Uint8Array.from(looks, (look) => Number(look.changes)),
    kept,
    bundles,
    bundleCurves,
    sums: placed.groups.map((group) => sum(nodes, group.nodes, kept)),
    links,
    quiet: Uint8Array.from(nodes, (node) => Number(node.last_seen < silentBefore)),
  };
}

interface Look {
  family: number;
  width: number;
  changes: boolean;
}

/** A link is a new object when it changes, so what follows from it alone is found once. */
const looksKnown = new WeakMap<MapEdge, Look>();

function lookOf(edge: MapEdge): Look {
  let look = looksKnown.get(edge);
  if (!look) {
    look = {
      family: leadingFamily(edge.volumes),
      width: widthOf(edge.bytes),
      changes: Object.keys(edge.operations).some(isChange),
    };
    looksKnown.set(edge, look);
  }
  return look;
}

const isChange = (operation: string): boolean => CHANGING.has(operation);

/** Pixels of a link's line: one more for each hundredfold volume. */
export function widthOf(bytes: number): number {
  const decades = Math.log10(1 + bytes / 2_000);
  return Math.min(4.2, 0.9 + decades * 0.5);
}

function bundled(
  edges: readonly MapEdge[],
  from: Int32Array,
  to: Int32Array,
  placed: Layout,
  kept: Kept,
  family: Uint8Array,
): Bundle[] {
  const found = new Map<number, Bundle & { volumes: Map<number, number> }>();
  edges.forEach((edge, at) => {
    const one = placed.of[from[at] ?? 0] ?? 0;
    const two = placed.of[to[at] ?? 0] ?? 0;
    if (one === two || !kept.edges[at]) return;
    const a = Math.min(one, two);
    const b = Math.max(one, two);
    const key = a * placed.groups.length + b;
    let bundle = found.get(key);
    if (!bundle) {
      bundle = { a, b, edges: [], bytes: 0, family: 0, width: 0, volumes: new Map() };
      found.set(key, bundle);
    }
    bundle.edges.push(at);
    bundle.bytes += edge.bytes;
    const speaks = family[at] ?? 0;
    bundle.volumes.set(speaks, (bundle.volumes.get(speaks) ?? 0) + 1);
  });
  return [...found.values()]
    .sort((p, q) => p.a - q.a || p.b - q.b)
    .map(({ volumes, ...bundle }) => {
      const most = [...volumes].sort((p, q) => q[1] - p[1] || p[0] - q[0])[0];
      const width = Math.min(9, 1 + Math.log2(1 + bundle.edges.length) * 1.1);
      return { ...bundle, family: most?.[0] ?? 0, width };
    });
}

function sum(nodes: readonly MapNode[], members: readonly number[], kept: Kept): GroupSum {
  const classes = new Map<string, number>();
  const result: GroupSum = { kept: 0, severity: null, findings: 0, classes: [] };
  for (const index of members) {
    const node = nodes[index];
    if (!node || !kept.nodes[index]) continue;
    result.kept += 1;
    result.findings += node.findings;
    if (severityRank(node.severity) > severityRank(result.severity))
      result.severity = node.severity;
    classes.set(node.class, (classes.get(node.class) ?? 0) + 1);
  }
  result.classes = [...classes].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return result;
}

/** The asset under a point, within `reach`. */
export function nodeAt(s: Scene, x: number, y: number, reach: number): number {
  let best = -1;
  let nearest = reach;
  for (const group of s.layout.groups) {
    if (!inside(group, x, y, reach)) continue;
    for (const index of group.nodes) {
      if (!s.kept.nodes[index]) continue;
      const dx = (s.layout.x[index] ?? 0) - x;
      const dy = (s.layout.y[index] ?? 0) - y;
      // A tile is square: its corners belong to it.
      const distance = Math.max(Math.abs(dx), Math.abs(dy));
      if (distance <= nearest) {
        nearest = distance;
        best = index;
      }
    }
  }
  return best;
}

export function groupAt(s: Scene, x: number, y: number): number {
  return s.layout.groups.findIndex((group) => inside(group, x, y, 0));
}

function inside(box: Box, x: number, y: number, reach: number): boolean {
  return (
    x >= box.x - reach &&
    x <= box.x + box.w + reach &&
    y >= box.y - reach &&
    y <= box.y + box.h + reach
  );
}

/** All shown links under a point, nearest first: those of a bundle lie upon each other. */
export function edgesAt(s: Scene, x: number, y: number, reach: number): number[] {
  const found: [number, number][] = [];
  for (let at = 0; at < s.edges.length; at += 1) {
    if (!s.kept.edges[at]) continue;
    const distance = distanceTo(s.curves, at * STRIDE, x, y, reach);
    if (distance <= reach) found.push([distance, at]);
  }
  return found.sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, at]) => at);
}

export function bundleAt(s: Scene, x: number, y: number, reach: number): number {
  let best = -1;
  let nearest = reach;
  for (let at = 0; at < s.bundles.length; at += 1) {
    const distance = distanceTo(s.bundleCurves, at * STRIDE, x, y, nearest);
    if (distance <= nearest) {
      nearest = distance;
      best = at;
    }
  }
  return best;
}

/** `L1 Packaging`. */
export function groupKeyLabel(s: Scene, group: number): string {
  const found = s.layout.groups[group];
  return found ? `${BANDS[found.band]?.short ?? ''} ${found.label}` : '';
}

/** The other end of a link. */
export function otherEnd(s: Scene, edge: number, node: number): number {
  return (s.from[edge] === node ? s.to[edge] : s.from[edge]) ?? node;
}

export type Direction = 'left' | 'right' | 'up' | 'down';

/** The asset an arrow key goes to: near, and rather straight ahead than aside. */
export function neighbourTo(s: Scene, from: number, direction: Direction): number {
  const x = s.layout.x[from] ?? 0;
  const y = s.layout.y[from] ?? 0;
  let best = -1;
  let least = Infinity;
  for (let index = 0; index < s.nodes.length; index += 1) {
    if (index === from || !s.kept.nodes[index]) continue;
    // Wide cells are one step beside each other, too.
    const dx = (((s.layout.x[index] ?? 0) - x) * CELL_W) / s.layout.cell;
    const dy = (s.layout.y[index] ?? 0) - y;
    const ahead =
      direction === 'left' ? -dx : direction === 'right' ? dx : direction === 'up' ? -dy : dy;
    const aside = Math.abs(direction === 'left' || direction === 'right' ? dy : dx);
    if (ahead < 1) continue;
    const cost = ahead + aside * 2.5;
    if (cost < least) {
      least = cost;
      best = index;
    }
  }
  return best;
}

/** What is around some assets, with room for their labels. */
export function boundsOf(s: Scene, indices: Iterable<number>): Box | null {
  let left = Infinity;
  let top = Infinity;
  let right = -Infinity;
  let bottom = -Infinity;
  const rim = s.layout.cell / 2 + 11;
  for (const index of indices) {
    left = Math.min(left, (s.layout.x[index] ?? 0) - rim);
    right = Math.max(right, (s.layout.x[index] ?? 0) + rim);
    top = Math.min(top, (s.layout.y[index] ?? 0) - 50);
    bottom = Math.max(bottom, (s.layout.y[index] ?? 0) + 60);
  }
  return left > right ? null : { x: left, y: top, w: right - left, h: bottom - top };
}
