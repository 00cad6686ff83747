import { beforeEach, expect, test, vi } from 'vitest';

const began: (number | null)[] = [];
vi.mock('./live/live.svelte', () => ({ live: { begin: (at: number | null) => began.push(at) } }));
vi.mock('./session.svelte', () => ({
  session: { whenAttended: (read: () => void) => read(), forget: () => undefined },
}));
const { Rows, joined } = await import('./rows.svelte');
import type { PageOf } from './rows.svelte';

interface Thing {
  id: string;
  revision: number;
  old?: boolean;
}
const thing = (id: string, revision = 1): Thing => ({ id, revision });

/** A list whose server answers with these, one after the other. */
function listOf(...pages: (PageOf<Thing> | Error)[]) {
  const asked: { cursor: string | null; limit: number }[] = [];
  const list = new Rows<Thing>(
    ({ cursor, limit }) => {
      asked.push({ cursor, limit });
      const page = pages.shift() ?? { items: [], next_cursor: null };
      return page instanceof Error ? Promise.reject(page) : Promise.resolve(page);
    },
    (row) => !row.old,
  );
  return { list, asked };
}
const page = (items: Thing[], next: string | null = null): PageOf<Thing> => ({
  items,
  next_cursor: next,
  revision: 9,
});
const ids = (rows: readonly Thing[]) => rows.map((row) => `${row.id}${row.revision}`).join(' ');

beforeEach(() => {
  began.length = 0;
  vi.useFakeTimers();
  return () => vi.useRealTimers();
});

test('a list starts the stream from its revision', async () => {
  const { list } = listOf(page([thing('a')]));
  await list.load('', '');
  expect(began).toEqual([9]);
});

test('the next page has no row twice, however the rows moved meanwhile', async () => {
  const { list, asked } = listOf(
    page([thing('a'), thing('b')], 'c1'),
    page([thing('b'), thing('c')]),
  );
  await list.load('', '');
  await list.more();
  await list.more();
  expect(ids(list.rows)).toBe('a1 b1 c1');
  expect(asked.map((a) => a.cursor)).toEqual([null, 'c1']);
});

test('rows change where they stand, and never back to an older state', async () => {
  const { list } = listOf(page([thing('a', 5), thing('b', 5)]));
  await list.load('', '');
  list.take([thing('b', 7), thing('a', 3)]);
  expect(ids(list.rows)).toBe('a5 b7');
  list.take([], ['a']);
  expect(ids(list.rows)).toBe('b7');
});

test('new rows wait for a word while somebody works on the list', async () => {
  const { list } = listOf(
    page([thing('a')]),
    page([thing('n'), thing('a', 2)]),
    page([thing('n'), thing('a', 2)]),
  );
  list.calm = () => false;
  await list.load('', '');
  list.take([thing('n')]);
  await vi.advanceTimersByTimeAsync(6_000);
  expect([ids(list.rows), list.waiting]).toEqual(['a1', 1]);
  await list.again();
  expect([ids(list.rows), list.waiting]).toEqual(['n1 a2', 0]);
});

test('new rows show by themselves at the top of a quiet list', async () => {
  const { list } = listOf(page([thing('a')]), page([thing('n'), thing('a')]));
  await list.load('', '');
  list.take([thing('n')]);
  await vi.advanceTimersByTimeAsync(6_000);
  expect(ids(list.rows)).toBe('n1 a1');
});

test("changes of others' rows make no haste", async () => {
  const { list, asked } = listOf(page([thing('a')]));
  await list.load('', '');
  for (let second = 0; second < 29; second += 1) {
    list.take([{ ...thing('other', second), old: true }]);
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(asked.length).toBe(1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked.length).toBe(2);
});

test('a failure keeps the rows that are shown', async () => {
  const { list } = listOf(page([thing('a')]), new Error('away'));
  await list.load('', '');
  await list.again();
  expect(ids(list.rows)).toBe('a1');
  expect(list.error).toBeInstanceOf(Error);
});

test('a list that was left is there again, with its place', async () => {
  const { list } = listOf(page([thing('a')], 'c1'));
  await list.load('', '');
  list.at = 'a';
  list.leave('/things?x=1', 640);
  const again = listOf().list;
  expect(again.comeBack('/things?x=2')).toBe(0);
  expect(again.ready).toBe(false);
  expect(again.comeBack('/things?x=1')).toBe(640);
  expect([ids(again.rows), again.next, again.at]).toEqual(['a1', 'c1', 'a']);
});

test('a list longer than one answer keeps its rows while they are read again', async () => {
  const many = (from: number, to: number, revision = 1) =>
    Array.from({ length: to - from }, (_, n) => thing(`r${from + n}`, revision));
  const { list, asked } = listOf(
    page(many(0, 1_000, 2), 'c1'),
    page(many(1_000, 2_000, 2), 'c2'),
    page(many(2_000, 2_300, 2), 'c3'),
  );
  list.rows = many(0, 2_300);
  const lengths: number[] = [];
  const shown = () => lengths.push(list.rows.length);
  const read = list.load('', '', 2_300);
  for (let turn = 0; turn < 40; turn += 1) await Promise.resolve().then(shown);
  await read;
  expect(Math.min(...lengths)).toBe(2_300);
  expect(list.rows.map((row) => row.id)).toEqual(many(0, 2_300).map((row) => row.id));
  expect(list.rows.every((row) => row.revision === 2)).toBe(true);
  expect(asked.map((a) => [a.cursor, a.limit])).toEqual([
    [null, 1_000],
    ['c1', 1_000],
    ['c2', 300],
  ]);
  expect(list.next).toBe('c3');
});

test('rows that were shown stand after those that were read, each once', () => {
  const rows = (text: string) => text.split('').map((id) => thing(id));
  const join = (read: string, shown: string) =>
    joined(rows(read), rows(shown))
      .map((row) => row.id)
      .join('');
  expect(join('abc', 'abcde')).toBe('abcde');
  // One came at the top, one is gone, one has moved up.
  expect(join('nab', 'abcde')).toBe('nabcde');
  expect(join('ace', 'abcde')).toBe('aced');
  expect(join('abd', 'abcde')).toBe('abde');
});
