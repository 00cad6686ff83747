// Rows of the stream on the map's graph: new, changed, twice, merged.
import { describe, expect, it } from 'vitest';
import { LiveGraph, pairOf, type AssetEvent, type LinkEvent } from './live';
import { graphOf, type MapGraph, type MapNode } from './model';

const asset = (id: string, change: Partial<AssetEvent> = {}): AssetEvent => ({
  id,
  name: id,
  class: 'plc',
  purdue: 1,
  vendor: null,
  zone: null,
  severity: null,
  findings: 0,
  ips: ['10.0.0.1'],
  vlans: [],
  criticality: null,
  first_seen: '2026-01-01T00:00:00Z',
  last_seen: '2026-01-01T00:00:00Z',
  ...change,
});

const link = (
  id: string,
  client: string,
  server: string,
  change: Partial<LinkEvent> = {},
): LinkEvent => ({
  id,
  client,
  server,
  protocol: 'modbus',
  bytes: 1_000,
  operations: { read: 5 },
  last_seen: '2026-01-01T00:00:00Z',
  ...change,
});

function graph(): LiveGraph {
  const empty: MapGraph = { revision: 1, truncated: false, nodes: [], edges: [] };
  const made = new LiveGraph(empty);
  for (const id of ['a', 'b', 'c']) made.asset(asset(id));
  made.link(link('l1', 'b', 'a'));
  made.taken();
  return made;
}
const edgeOf = (made: LiveGraph, a: string, b: string) =>
  made.snapshot().edges.find((edge) => pairOf(edge.a, edge.b) === pairOf(a, b));

describe('live graph', () => {
  it('adds a new link and says which pair', () => {
    const made = graph();
    made.link(link('l2', 'c', 'a'));
    expect([...made.taken().pairs]).toEqual(['a c']);
    expect(edgeOf(made, 'a', 'c')).toMatchObject({
      a: 'a',
      b: 'c',
      client: 'c',
      volumes: { modbus: 1_000 },
    });
  });

  it('adds what a link gained, once, however often the row comes', () => {
    const made = graph();
    const row = link('l1', 'b', 'a', {
      bytes: 1_500,
      operations: { read: 7, write: 1 },
    });
    made.link(row);
    made.link(row);
    expect(edgeOf(made, 'a', 'b')).toMatchObject({
      bytes: 1_500,
      operations: { read: 7, write: 1 },
      volumes: { modbus: 1_500 },
    });
  });

  it('counts a link that was already in the graph it began with only for what it gains', () => {
    const { nodes, edges } = graph().snapshot();
    const made = new LiveGraph({ revision: 9, truncated: false, nodes, edges });
    made.link(link('l1', 'b', 'a', { bytes: 1_200 }));
    expect(edgeOf(made, 'a', 'b')?.bytes).toBe(1_000);
    made.link(link('l1', 'b', 'a', { bytes: 1_300 }));
    expect(edgeOf(made, 'a', 'b')?.bytes).toBe(1_100);
  });

  it('has no client where each asks the other', () => {
    const made = graph();
    made.link(link('l2', 'a', 'b', { protocol: 's7comm' }));
    expect(edgeOf(made, 'a', 'b')).toMatchObject({ client: null, protocols: ['modbus', 's7comm'] });
  });

  it('says when somebody has to move and when it only looks different', () => {
    const made = graph();
    made.asset(asset('a', { severity: 'high', findings: 1 }));
    expect(made.taken()).toMatchObject({ assets: new Set(['a']), moved: false });
    made.asset(asset('a', { severity: 'high', findings: 1, purdue: 2 }));
    expect(made.taken().moved).toBe(true);
    made.asset(
      asset('a', { severity: 'high', findings: 1, purdue: 2, last_seen: '2026-02-01T00:00:00Z' }),
    );
    expect(made.taken()).toMatchObject({ assets: new Set(), moved: false });
  });

  it('folds a merged asset and its links into the other', () => {
    const made = graph();
    made.link(link('l2', 'c', 'a'));
    made.merged('c', 'b');
    expect(made.snapshot().nodes.map((node) => node.id)).toEqual(['a', 'b']);
    expect(made.snapshot().edges).toHaveLength(1);
    expect(edgeOf(made, 'a', 'b')).toMatchObject({ client: 'b', bytes: 2_000 });
    made.merged('b', 'a');
    expect(made.snapshot().edges).toHaveLength(0);
  });

  it('does not let a map that was cut grow', () => {
    const made = new LiveGraph({ revision: 1, truncated: true, nodes: [], edges: [] });
    made.asset(asset('a'));
    expect(made.snapshot().nodes).toEqual([]);
  });

  it('says who spoke, client first', () => {
    const made = graph();
    made.link(link('l1', 'b', 'a', { last_seen: '2026-01-01T00:00:05Z' }));
    expect(made.taken().spoke).toEqual([['b', 'a']]);
  });
});

describe('the answer of the API', () => {
  it('names pairs by places among the nodes, and leaves out what follows from the rest', () => {
    const nodes = ['b', 'a'].map((id) => ({ id }) as MapNode);
    const sent = {
      a: 1,
      b: 0,
      client: 0,
      volumes: { tls: 5, dns: 2 },
      operations: {},
      last_seen: '2026-01-01T00:00:00Z',
    };
    const [edge] = graphOf({ revision: 1, truncated: false, nodes, edges: [sent] }).edges;
    expect(edge).toMatchObject({ a: 'a', b: 'b', client: 'b', protocols: ['dns', 'tls'], bytes: 7 });
    const both = { ...sent, client: null };
    expect(graphOf({ revision: 1, truncated: false, nodes, edges: [both] }).edges[0]?.client).toBe(null);
  });
});
