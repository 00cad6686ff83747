// Choices in the address bar, and what they leave of the graph.
import { describe, expect, it } from 'vitest';
import { addressOf, queryOf, type Address } from './address';
import { arranged } from './arrange';
import { sample } from './bench/sample';
import { EVERYTHING, type Filter } from './filter';
import { pairOf } from './live';

const read = (values: Record<string, string | null>): Address => {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== null) query.set(name, value);
  return addressOf(query);
};

describe('address', () => {
  it('reads what it wrote', () => {
    const filters: Filter[] = [
      EVERYTHING,
      {
        levels: new Set(['1', '3.5', 'unknown']),
        classes: new Set(['plc', 'hmi']),
        families: new Set(['modbus', 'web']),
        protocols: new Set(['s7comm', 'tcp/102']),
        zones: new Set(['Mixing, cell 4', '10.1.2.0/24']),
        severity: 4,
        window: 3_600,
      },
    ];
    for (const filter of filters) expect(read(queryOf(filter)).filter).toEqual(filter);
  });

  it('takes nothing that it does not know', () => {
    const wrong = { level: '9|x', class: 'toaster', severity: 'worst', within: '-4', by: 'colour' };
    expect(read(wrong)).toMatchObject({ filter: EVERYTHING, by: 'zone', hide: false, list: false });
  });
});

describe('arranging', () => {
  const { nodes, edges } = sample(120);
  const zones = new Map<string, string>();
  const make = (values: Record<string, string>, last: ReturnType<typeof arranged> | null = null) =>
    arranged(nodes, edges, read(values), zones, false, last);
  const id = nodes[0]?.id ?? '';

  it('leaves of the neighbours of an asset those it talks with', () => {
    const near = new Set([id]);
    for (const edge of edges) {
      if (edge.a === id) near.add(edge.b);
      if (edge.b === id) near.add(edge.a);
    }
    const { scene } = make({ around: id });
    expect(new Set(scene.nodes.map((node) => node.id))).toEqual(near);
    expect(scene.edges.length).toBe(edges.filter((e) => near.has(e.a) && near.has(e.b)).length);
  });

  it('shows everything when the asset in the middle is gone', () => {
    expect(make({ around: 'ast_gone' }).scene.nodes.length).toBe(nodes.length);
  });

  it('keeps places while the choice is the same, and makes room when others are left out', () => {
    const all = make({});
    expect(make({}, all).scene.layout.memory.wrap).toBe(all.scene.layout.memory.wrap);
    const dimmed = make({ class: 'plc' }, all);
    expect([...dimmed.scene.layout.x]).toEqual([...all.scene.layout.x]);
    const only = make({ class: 'plc', others: 'hide' }, all);
    expect(only.scene.nodes.every((node) => node.class === 'plc')).toBe(true);
    expect(only.scene.layout.w * only.scene.layout.h).toBeLessThan(
      all.scene.layout.w * all.scene.layout.h,
    );
  });

  it('lays out a site anew that has grown far beyond what it was', () => {
    const young = arranged(nodes.slice(0, 20), [], read({}), zones, false, null);
    const grown = arranged(nodes, edges, read({}), zones, false, young);
    expect(grown.planned).toBe(nodes.length);
    const same = arranged(nodes.slice(0, 24), [], read({}), zones, false, young);
    expect(same.planned).toBe(20);
  });

  it('names pairs the same from both ends', () => {
    expect(pairOf('b', 'a')).toBe(pairOf('a', 'b'));
  });
});
