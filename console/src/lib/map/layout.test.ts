// What the layout promises: same data, same picture; nobody on anybody; newcomers push nobody about.
import { describe, expect, it } from 'vitest';
import { sample } from './bench/sample';
import { CELL_H, layout, type Layout } from './layout';
import { bandOf, type MapNode } from './model';

const zones = new Map<string, string>();
const of = (nodes: MapNode[], previous?: Layout): Layout =>
  layout(nodes, { by: 'zone', zones, previous: previous?.memory });

/** Id -> place, and place in the group. */
function places(nodes: MapNode[], made: Layout) {
  return new Map(
    nodes.map((node, index) => {
      const group = made.groups[made.of[index] ?? 0];
      const x = made.x[index] ?? 0;
      const y = made.y[index] ?? 0;
      const inside = [x - (group?.x ?? 0), y - (group?.y ?? 0)].map(Math.round).join(' ');
      return [node.id, { at: `${x} ${y}`, inside, group: group?.key ?? '' }];
    }),
  );
}

/** A newcomer to the group of an asset. */
function joins(like: MapNode, name: string): MapNode {
  return { ...like, id: `ast_new_${name}`, name, first_seen: '2026-03-09T00:00:00.000000Z' };
}

function shuffled<T>(rows: readonly T[], seed: number): T[] {
  const left = [...rows];
  const result: T[] = [];
  let state = seed;
  while (left.length > 0) {
    state = (state * 48_271) % 2_147_483_647;
    result.push(...left.splice(state % left.length, 1));
  }
  return result;
}

describe('layout', () => {
  it('is the same whatever order the assets come in', () => {
    const nodes = sample(300).nodes;
    const first = places(nodes, of(nodes));
    for (const seed of [3, 77, 4_242]) {
      const other = shuffled(nodes, seed);
      const second = places(other, of(other));
      for (const [id, place] of first) expect(second.get(id)).toEqual(place);
    }
  });

  for (const size of [1, 2, 50, 500, 2_000]) {
    it(`puts no two of ${size} assets on one place and no two groups over each other`, () => {
      const nodes = sample(size).nodes;
      const made = of(nodes);
      const seen = new Set<string>();
      nodes.forEach((_, index) => seen.add(`${made.x[index]} ${made.y[index]}`));
      expect(seen.size).toBe(size);
      made.groups.forEach((a, at) => {
        for (const b of made.groups.slice(at + 1)) {
          const apart =
            a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
          expect(apart, `${a.key} over ${b.key}`).toBe(true);
        }
      });
    });
  }

  it('keeps every asset in its group and every group in its band, with room for its label', () => {
    const nodes = sample(500).nodes;
    const made = of(nodes);
    nodes.forEach((node, index) => {
      const group = made.groups[made.of[index] ?? -1];
      const band = made.bands[group?.band ?? -1];
      if (!group || !band) throw new Error(`${node.name} has no group`);
      expect(group.band).toBe(bandOf(node.purdue));
      expect(made.x[index]).toBeGreaterThanOrEqual(group.x + made.cell / 2);
      expect(made.x[index]).toBeLessThanOrEqual(group.x + group.w - made.cell / 2);
      expect(made.y[index]).toBeLessThanOrEqual(group.y + group.h - CELL_H / 2);
      expect(group.y).toBeGreaterThan(band.y);
      expect(group.y + group.h).toBeLessThan(band.y + band.h);
    });
  });

  it('moves nobody inside a group when assets join, one after the other', () => {
    let nodes = sample(120).nodes;
    let made = of(nodes);
    for (let n = 0; n < 40; n += 1) {
      const like = nodes[(n * 37) % 120];
      if (!like) throw new Error('the sample is smaller than it says');
      const more = [...nodes, joins(like, `0-first-${n}`)];
      const next = of(more, made);
      const before = places(nodes, made);
      const after = places(more, next);
      for (const [id, place] of before) {
        expect(after.get(id)?.inside, id).toBe(place.inside);
        expect(after.get(id)?.group).toBe(place.group);
      }
      nodes = more;
      made = next;
    }
  });

  it('moves nothing at all where the group has a place left', () => {
    const nodes = sample(120).nodes;
    const made = of(nodes);
    let tried = 0;
    for (const group of made.groups) {
      const cells = Math.floor(group.w / made.cell) * Math.floor(group.h / CELL_H);
      const like = nodes[group.nodes[0] ?? -1];
      if (!like || group.nodes.length >= cells) continue;
      tried += 1;
      const more = [...nodes, joins(like, '0-first')];
      const after = places(more, of(more, made));
      for (const [id, place] of places(nodes, made)) expect(after.get(id)).toEqual(place);
    }
    expect(tried).toBeGreaterThan(3);
  });

  it('gives an asset of a later day the last place even without a memory', () => {
    const nodes = sample(120).nodes;
    const made = of(nodes);
    const group = made.groups.find((one) => {
      const cells = Math.floor(one.w / made.cell) * Math.floor(one.h / CELL_H);
      // Not the fullest of its zone, which tells how wide the zone is.
      const fuller = made.groups.some(
        (o) => o.label === one.label && o.nodes.length > one.nodes.length,
      );
      return one.nodes.length > 1 && one.nodes.length < cells && fuller;
    });
    const like = nodes[group?.nodes[0] ?? -1];
    if (!group || !like) throw new Error('the sample has no such group');
    const more = [...nodes, joins(like, '0-first')];
    const after = places(more, of(more));
    for (const [id, place] of places(nodes, made)) expect(after.get(id)).toEqual(place);
  });

  it('keeps the order of groups when a zone appears between two others', () => {
    const nodes = sample(300).nodes;
    const before = of(nodes);
    const like = nodes[0];
    if (!like) throw new Error('the sample is empty');
    const more = [...nodes, { ...joins(like, 'lonely'), ip: '10.20.11.200', id: 'ast_x' }];
    const stranger = [...more, { ...joins(like, 'lonelier'), ip: '10.20.100.9', id: 'ast_y' }];
    const after = of(stranger, before);
    const order = (made: Layout) => made.groups.map((group) => group.key);
    const kept = order(after).filter((key) => order(before).includes(key));
    expect(kept).toEqual(order(before));
  });

  it('lets those who stay keep their places when one leaves', () => {
    const nodes = sample(120).nodes;
    const made = of(nodes);
    const fewer = nodes.filter((_, index) => index !== 17);
    const after = places(fewer, of(fewer, made));
    const before = places(nodes, made);
    for (const [id, place] of after) expect(place.inside).toBe(before.get(id)?.inside);
  });

  it('needs steps about in proportion to the assets', () => {
    const steps = (size: number) => of(sample(size, size).nodes).steps;
    expect(steps(500)).toBeLessThan(500 * 60);
    // Sorting adds a logarithm, choosing a width a dozen tries over the zones; no square of anything.
    expect(steps(2_000)).toBeLessThan(2_000 * 60);
    expect(steps(5_000)).toBeLessThan(5_000 * 90);
  });

  it('is wider than high, as a screen is', () => {
    for (const size of [50, 500, 2_000]) {
      const made = of(sample(size).nodes);
      expect(made.w / made.h, `${size}`).toBeGreaterThan(0.9);
      expect(made.w / made.h, `${size}`).toBeLessThan(3.2);
    }
  });
});

describe('a site that grows', () => {
  it('goes on beside itself while the screen has room there', () => {
    const nodes = shuffled(sample(50).nodes, 3);
    let made = of(nodes.slice(0, 26));
    for (let count = 27; count <= nodes.length; count += 1) made = of(nodes.slice(0, count), made);
    expect(made.w / made.h).toBeGreaterThan(1.2);
  });
});
