// Pointing, walking by arrow keys, bundles, filters and search on made-up sites.
import { describe, expect, it } from 'vitest';
import { sample } from './bench/sample';
import { distanceTo, pointOn, STRIDE } from './curves';
import { choices, EVERYTHING, keep, search, type Filter } from './filter';
import { groupOf, subnetOf } from './groups';
import { labelOf, severityRank, type MapEdge, type MapNode } from './model';
import { FAMILIES, familyOf, leadingFamily } from './protocols';
import {
  bundleAt,
  edgesAt,
  groupAt,
  neighbourTo,
  nodeAt,
  otherEnd,
  scene,
  type Scene,
} from './scene';

const site = (size: number, filter: Filter = EVERYTHING): Scene => {
  const { nodes, edges } = sample(size);
  return scene(nodes, edges, { filter });
};
const at = (s: Scene, index: number): [number, number] => [
  s.layout.x[index] ?? 0,
  s.layout.y[index] ?? 0,
];

describe('pointing', () => {
  const s = site(500);

  it('finds each asset at its place, its corners included, and nothing beside it', () => {
    s.nodes.forEach((_, index) => {
      const [x, y] = at(s, index);
      expect(nodeAt(s, x, y, 22)).toBe(index);
      expect(nodeAt(s, x + 21, y - 21, 22)).toBe(index);
      expect(nodeAt(s, x + 52, y + 43, 22)).toBe(-1);
    });
  });

  it('finds each link along its curve', () => {
    for (let edge = 0; edge < s.edges.length; edge += 13) {
      for (const t of [0.2, 0.5, 0.8]) {
        const [x, y] = pointOn(s.curves, edge * STRIDE, t);
        expect(edgesAt(s, x, y, 3)).toContain(edge);
      }
    }
  });

  it('tells the distance to a curve as a fine sampling does', () => {
    for (let edge = 0; edge < s.edges.length; edge += 41) {
      const [px, py] = pointOn(s.curves, edge * STRIDE, 0.37);
      const [x, y] = [px + 9, py - 4];
      let exact = Infinity;
      for (let t = 0; t <= 1; t += 0.0005) {
        const [qx, qy] = pointOn(s.curves, edge * STRIDE, t);
        exact = Math.min(exact, Math.hypot(x - qx, y - qy));
      }
      expect(Math.abs(distanceTo(s.curves, edge * STRIDE, x, y, 50) - exact)).toBeLessThan(1.5);
    }
  });

  it('does not find what a filter took away', () => {
    const few = site(500, { ...EVERYTHING, classes: new Set(['plc']) });
    few.nodes.forEach((node, index) => {
      const [x, y] = at(few, index);
      expect(nodeAt(few, x, y, 22)).toBe(node.class === 'plc' ? index : -1);
    });
    const [x, y] = pointOn(few.curves, 0, 0.5);
    for (const edge of edgesAt(few, x, y, 40)) expect(few.kept.edges[edge]).toBe(1);
  });

  it('finds groups and the bundles between them', () => {
    s.layout.groups.forEach((group, index) => {
      expect(groupAt(s, group.x + group.w / 2, group.y + 3)).toBe(index);
    });
    const [x, y] = pointOn(s.bundleCurves, 2 * STRIDE, 0.5);
    expect(bundleAt(s, x, y, 5)).toBeGreaterThanOrEqual(0);
    expect(groupAt(s, -500, -500)).toBe(-1);
  });
});

describe('bundles', () => {
  it('hold every link between two groups exactly once', () => {
    const s = site(500);
    const held = s.bundles.flatMap((bundle) => bundle.edges);
    const between = s.edges.flatMap((_, edge) =>
      s.layout.of[s.from[edge] ?? 0] === s.layout.of[s.to[edge] ?? 0] ? [] : [edge],
    );
    expect([...held].sort((a, b) => a - b)).toEqual(between);
  });

  it('share the control points of their curves, so that they run together', () => {
    const s = site(500);
    const bundle = s.bundles.find((one) => one.edges.length > 3);
    if (!bundle) throw new Error('the sample has no bundle');
    const heights = bundle.edges.map((edge) => {
      const forth = s.layout.of[s.from[edge] ?? 0] === bundle.a;
      return s.curves[edge * STRIDE + (forth ? 3 : 5)];
    });
    expect(new Set(heights).size).toBe(1);
  });
});

describe('arrow keys', () => {
  it('reach every asset from the first one', () => {
    const s = site(120);
    const seen = new Set([0]);
    const waiting = [0];
    while (waiting.length > 0) {
      const from = waiting.pop() ?? 0;
      for (const direction of ['left', 'right', 'up', 'down'] as const) {
        const to = neighbourTo(s, from, direction);
        if (to >= 0 && !seen.has(to)) {
          seen.add(to);
          waiting.push(to);
        }
      }
    }
    expect(seen.size).toBe(120);
  });

  it('go the way they say', () => {
    const s = site(120);
    for (let index = 0; index < 120; index += 1) {
      const right = neighbourTo(s, index, 'right');
      if (right >= 0) expect(s.layout.x[right]).toBeGreaterThan(s.layout.x[index] ?? 0);
      const up = neighbourTo(s, index, 'up');
      if (up >= 0) expect(s.layout.y[up]).toBeLessThan(s.layout.y[index] ?? 0);
    }
  });
});

describe('filters', () => {
  const { nodes, edges } = sample(500);
  const indexOf = new Map(nodes.map((node, index) => [node.id, index]));
  const ends = {
    from: edges.map((edge) => indexOf.get(edge.a) ?? 0),
    to: edges.map((edge) => indexOf.get(edge.b) ?? 0),
  };
  const zoneOf = (index: number) => subnetOf(nodes[index]?.ip ?? '');
  const kept = (filter: Partial<Filter>) =>
    keep(nodes, edges, ends, zoneOf, { ...EVERYTHING, ...filter });
  const stay = (filter: Partial<Filter>): MapNode[] => {
    const result = kept(filter);
    return nodes.filter((_, index) => result.nodes[index]);
  };

  it('leave everything when nothing is chosen', () => {
    expect(kept({})).toMatchObject({ nodeCount: nodes.length, edgeCount: edges.length });
  });

  it('keep what each choice says and only that', () => {
    const check = (filter: Partial<Filter>, wanted: (node: MapNode) => boolean) => {
      expect(stay(filter)).toEqual(nodes.filter(wanted));
    };
    check(
      { levels: new Set(['1', 'unknown']) },
      (node) => node.purdue === 1 || node.purdue === null,
    );
    check(
      { classes: new Set(['hmi', 'plc']) },
      (node) => node.class === 'hmi' || node.class === 'plc',
    );
    check(
      { zones: new Set(['10.20.10.0/24']) },
      (node) => node.ip?.startsWith('10.20.10.') ?? false,
    );
    check({ severity: 4 }, (node) => severityRank(node.severity) >= 4);
    check({ window: 3_600 }, (node) => node.last_seen >= '2026-03-04T10:00:00');
  });

  it('keep a link only with both its ends', () => {
    const result = kept({ levels: new Set(['1', '2']) });
    edges.forEach((_, edge) => {
      const both =
        result.nodes[ends.from[edge] ?? 0] === 1 && result.nodes[ends.to[edge] ?? 0] === 1;
      expect(result.edges[edge] === 1).toBe(both);
    });
  });

  it('keep of a protocol those who speak it', () => {
    const result = kept({ protocols: new Set(['modbus']) });
    expect(result.edgeCount).toBe(edges.filter((edge) => edge.protocols.includes('modbus')).length);
    nodes.forEach((node, index) => {
      const speaks = edges.some(
        (edge) => edge.protocols.includes('modbus') && (edge.a === node.id || edge.b === node.id),
      );
      expect(result.nodes[index] === 1, node.name).toBe(speaks);
    });
  });

  it('count their choices', () => {
    expect(choices(EVERYTHING)).toBe(0);
    expect(choices({ ...EVERYTHING, severity: 2, window: 60, levels: new Set(['1']) })).toBe(3);
  });
});

describe('search', () => {
  const { nodes } = sample(120);
  const names = (text: string) =>
    search(nodes, () => 'Packaging', text).map((index) => nodes[index]?.name);

  it('puts the name that is meant first', () => {
    expect(names('plc-l1-01')[0]).toBe('plc-l1-01');
    expect(names('hmi')[0]).toMatch(/^hmi/);
  });

  it('finds by address, class, vendor and zone, all words at once', () => {
    expect(names('10.20.10.10')).toContain('plc-l1-01');
    expect(names('packaging plc siemens').length).toBeLessThan(names('plc').length);
    expect(names('nothing-of-this')).toEqual([]);
    expect(names('   ')).toEqual([]);
  });
});

describe('protocols', () => {
  it('have one family each, however they are written', () => {
    const all = FAMILIES.flatMap((family) => family.names);
    expect(new Set(all).size).toBe(all.length);
    const id = (name: string) => FAMILIES[familyOf(name)]?.id;
    expect(['modbus', 'Modbus/TCP', 'modbus_tcp', 'umas'].map(id)).toEqual(Array(4).fill('modbus'));
    expect(['s7comm', 'pn_dcp', 'S7comm-plus'].map(id)).toEqual(Array(3).fill('siemens'));
    expect(['roc_plus', 'hart_ip', 'c1222', 'knxip'].map(id)).toEqual([
      'vendor',
      'vendor',
      'grid',
      'building',
    ]);
    expect(id('tcp/9100')).toBe('other');
  });

  it('let control lead over any volume of files', () => {
    expect(leadingFamily({ smb: 1e12, modbus: 10 })).toBe(familyOf('modbus'));
    expect(leadingFamily({ dns: 1e9, ssh: 10 })).toBe(familyOf('ssh'));
    expect(leadingFamily({ s7comm: 5, cip: 7 })).toBe(familyOf('cip'));
  });
});

describe('groups', () => {
  it('are subnets where no zone is told', () => {
    expect(subnetOf('10.1.2.3')).toBe('10.1.2.0/24');
    expect(subnetOf('169.254.7.8')).toBe('169.254.0.0/16');
    expect(subnetOf('fe80::1%eth0')).toBe('fe80::/64');
    expect(subnetOf('2001:0db8:0:1::42')).toBe('2001:db8:0:1::/64');
    expect(subnetOf('2001:db8::42')).toBe('2001:db8::/64');
    expect(subnetOf('not an address')).toBe('not an address');
  });

  it('are what is asked for', () => {
    const node = sample(50).nodes[0];
    if (!node) throw new Error('the sample is empty');
    const zones = new Map([['zon_1', 'Packaging']]);
    expect(groupOf({ ...node, zone: 'zon_1' }, 'zone', zones).label).toBe('Packaging');
    expect(groupOf({ ...node, zone: 'zon_1' }, 'subnet', zones).label).toBe('10.20.10.0/24');
    expect(groupOf(node, 'vlan', zones).label).toBe('VLAN 10');
    expect(groupOf({ ...node, ip: null }, 'zone', zones).label).toBe('No IP address');
    expect(groupOf({ ...node, class: 'external' }, 'zone', zones).label).toBe('Outside the site');
  });
});

describe('labels', () => {
  it('leave out what stands elsewhere', () => {
    const label = (name: string) => labelOf({ name, ip: '10.0.0.1' });
    expect(label('CPU 1516-3 (10.20.10.11)')).toBe('CPU 1516-3');
    expect(label('VLT HVAC Drive (00:1b:1b:3a:10:10)')).toBe('VLT HVAC Drive');
    expect(label('dc-01.northbrook.example')).toBe('dc-01');
    expect(label('10.20.10.11')).toBe('10.20.10.11');
    expect(label('METSEPM5560 rev. 2')).toBe('METSEPM5560 rev. 2');
    expect(label('1734-AENTR/B')).toBe('1734-AENTR/B');
  });
});

describe('scene', () => {
  it('leaves out links to assets it does not have', () => {
    const { nodes, edges } = sample(50);
    const stray: MapEdge = { ...(edges[0] as MapEdge), a: 'ast_gone', b: 'ast_z' };
    const s = scene(nodes, [...edges, stray]);
    expect(s.edges.length).toBe(edges.length);
    const first = s.links[0] ?? [];
    for (const edge of first) expect(otherEnd(s, edge, 0)).not.toBe(0);
  });
});
