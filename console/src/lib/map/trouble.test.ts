// Which links stand out for what is wrong.
import { expect, test } from 'vitest';
import { sample } from './bench/sample';
import { scene } from './scene';
import { placeOf, troubleOf } from './trouble';

const { nodes, edges } = sample(50);
const made = scene(nodes, edges);
const named = (id: string) => ({ id, name: id.slice(4) });
const pair = made.edges[3];
if (!pair) throw new Error('the sample has links');
const about = (severity: 'critical' | 'high' | 'low', title: string, ...ids: string[]) => ({
  severity,
  title,
  assets: ids.map(named),
});

test('a finding is where its assets are, with the links between them', () => {
  const place = placeOf(about('high', '', pair.a, pair.b), made);
  expect(place.nodes.map((index) => made.nodes[index]?.id)).toEqual([pair.a, pair.b]);
  expect(place.edges).toEqual([3]);
});

test('an asset that is not on the map is nowhere', () => {
  expect(placeOf(about('high', '', 'ast_gone', pair.a), made).edges).toEqual([]);
});

test('the worst finding of a link gives it its colour, and mild ones none', () => {
  const list = [about('critical', '', pair.a, pair.b), about('high', '', pair.a, pair.b)];
  const trouble = troubleOf(list, made);
  expect([...trouble.edges]).toEqual([[3, 'critical']]);
  expect([...trouble.nodes.values()]).toEqual(['critical', 'critical']);
  expect(troubleOf([about('low', '', pair.a, pair.b)], made).nodes.size).toBe(0);
});

test('of a scan of many only who scans stands out', () => {
  const ids = nodes.slice(0, 20).map((node) => node.id);
  const scan = about('high', `${named(ids[7] ?? '').name} scans addresses`, ...ids);
  const trouble = troubleOf([scan], made);
  expect(trouble.edges.size).toBe(0);
  expect([...trouble.nodes]).toEqual([[7, 'high']]);
  const long = { ...scan, title: `${'Ä'.repeat(39)}… (10.0.0.1) scans addresses` };
  long.assets = ids.map((id, at) => ({ id, name: at === 4 ? 'Ä'.repeat(60) : id }));
  expect([...troubleOf([long], made).nodes]).toEqual([[4, 'high']]);
});
