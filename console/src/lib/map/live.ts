// The graph kept current by the rows of `GET /watch`.
// Not here: layout and drawing. Invariant: a row that comes twice changes nothing the second time.

import type { MapEdge, MapGraph, MapNode, Severity } from './model';

/** What of an asset's row the map uses. */
export interface AssetEvent {
  id: string;
  name: string;
  class: string;
  purdue: number | null;
  vendor: string | null;
  zone: string | null;
  severity: Severity | null;
  findings: number;
  ips: string[];
  vlans: number[];
  criticality: number | null;
  first_seen: string;
  last_seen: string;
}

export interface LinkEvent {
  id: string;
  client: string;
  server: string;
  protocol: string;
  bytes: number;
  operations: Record<string, number>;
  last_seen: string;
}

export interface Changes {
  /** Assets that are new or look different. */
  assets: Set<string>;
  /** Pairs that are new or look different. */
  pairs: Set<string>;
  /** Pairs that spoke, from client to server. */
  spoke: [string, string][];
  /** Assets or their places changed: the layout has to be made anew. */
  moved: boolean;
}

export const pairOf = (a: string, b: string): string => (a < b ? `${a} ${b}` : `${b} ${a}`);

const SPOKE_MAX = 400;

export class LiveGraph {
  revision: number;
  truncated: boolean;
  private readonly nodes = new Map<string, MapNode>();
  private readonly edges = new Map<string, MapEdge>();
  /** What of each link is already in its edge. */
  private readonly counted = new Map<string, LinkEvent>();
  private changes: Changes = none();

  constructor(graph: MapGraph) {
    this.revision = graph.revision;
    this.truncated = graph.truncated;
    for (const node of graph.nodes) this.nodes.set(node.id, node);
    for (const edge of graph.edges) this.edges.set(pairOf(edge.a, edge.b), edge);
  }

  snapshot(): { nodes: MapNode[]; edges: MapEdge[] } {
    return { nodes: [...this.nodes.values()], edges: [...this.edges.values()] };
  }

  /** What changed since it was asked last. */
  taken(): Changes {
    const changes = this.changes;
    this.changes = none();
    return changes;
  }

  /** As if it was arranged for the first time, with no one to point at. */
  whole(): Changes {
    return { ...none(), moved: true };
  }

  get pending(): boolean {
    return this.changes.assets.size + this.changes.pairs.size + this.changes.spoke.length > 0;
  }

  asset(row: AssetEvent): void {
    const known = this.nodes.get(row.id);
    // A map that was cut says so instead of growing past what the server thought bearable.
    if (!known && this.truncated) return;
    const node: MapNode = {
      id: row.id,
      name: row.name,
      class: row.class,
      purdue: row.purdue,
      vendor: row.vendor,
      zone: row.zone,
      severity: row.severity,
      findings: row.findings,
      ip: row.ips[0] ?? null,
      vlans: row.vlans,
      criticality: row.criticality,
      first_seen: row.first_seen,
      last_seen: row.last_seen,
    };
    this.nodes.set(row.id, node);
    if (!known || looks(known) !== looks(node)) this.changes.assets.add(row.id);
    if (!known || stands(known) !== stands(node)) this.changes.moved = true;
  }

  merged(id: string, into: string): void {
    if (!this.nodes.delete(id)) return;
    this.changes.moved = true;
    this.changes.assets.add(into);
    for (const [key, edge] of [...this.edges]) {
      if (edge.a !== id && edge.b !== id) continue;
      this.edges.delete(key);
      const other = edge.a === id ? edge.b : edge.a;
      if (other === into) continue;
      const client = edge.client === id ? into : edge.client;
      const [a, b] = other < into ? [other, into] : [into, other];
      const there = this.edges.get(pairOf(a, b));
      this.edges.set(
        pairOf(a, b),
        there ? added(there, { ...edge, client }) : { ...edge, a, b, client },
      );
      this.changes.pairs.add(pairOf(a, b));
    }
  }

  link(row: LinkEvent): void {
    if (row.client === row.server) return;
    const key = pairOf(row.client, row.server);
    const edge = this.edges.get(key);
    const before = this.counted.get(row.id);
    this.counted.set(row.id, row);
    const one: MapEdge = {
      a: row.client < row.server ? row.client : row.server,
      b: row.client < row.server ? row.server : row.client,
      client: row.client,
      protocols: [row.protocol],
      volumes: { [row.protocol]: row.bytes },
      bytes: row.bytes,
      operations: row.operations,
      last_seen: row.last_seen,
    };
    if (!edge) {
      this.edges.set(key, one);
      this.changes.pairs.add(key);
    } else {
      // The graph came with this link counted in: only what it gained since is added.
      const isNew = !before && !edge.protocols.includes(row.protocol);
      const next = added(edge, isNew ? one : gained(one, before));
      this.edges.set(key, next);
      if (appears(edge) !== appears(next)) this.changes.pairs.add(key);
    }
    if (before?.last_seen !== row.last_seen && this.changes.spoke.length < SPOKE_MAX) {
      this.changes.spoke.push([row.client, row.server]);
    }
  }
}

const none = (): Changes => ({ assets: new Set(), pairs: new Set(), spoke: [], moved: false });

function gained(now: MapEdge, before: LinkEvent | undefined): MapEdge {
  const than = (value: number, was: number | undefined) => Math.max(0, value - (was ?? value));
  const bytes = than(now.bytes, before?.bytes);
  const protocol = now.protocols[0] ?? '';
  const operations = Object.fromEntries(
    Object.entries(now.operations).map(([name, count]) => [
      name,
      before ? Math.max(0, count - (before.operations[name] ?? 0)) : 0,
    ]),
  );
  return {
    ...now,
    volumes: { [protocol]: bytes },
    bytes,
    operations,
  };
}

function added(edge: MapEdge, more: MapEdge): MapEdge {
  const volumes = sum(edge.volumes, more.volumes);
  return {
    ...edge,
    client: edge.client === more.client ? edge.client : null,
    protocols: Object.keys(volumes).sort(),
    volumes,
    bytes: edge.bytes + more.bytes,
    operations: sum(edge.operations, more.operations),
    last_seen: edge.last_seen > more.last_seen ? edge.last_seen : more.last_seen,
  };
}

function sum(a: Record<string, number>, b: Record<string, number>): Record<string, number> {
  const result = { ...a };
  for (const [name, count] of Object.entries(b)) result[name] = (result[name] ?? 0) + count;
  return result;
}

const looks = (n: MapNode): string =>
  [n.name, n.class, n.severity, n.findings, n.criticality, n.ip, stands(n)].join('|');
const stands = (n: MapNode): string =>
  [n.purdue, n.zone, n.ip, n.vlans.join(','), n.class === 'external'].join('|');

/** What of an edge can be seen: a little more volume cannot. */
function appears(edge: MapEdge): string {
  const size = Math.floor(Math.log10(1 + edge.bytes) * 2);
  return [size, edge.protocols.join(','), edge.client, Object.keys(edge.operations).length].join(
    '|',
  );
}
