import { expect, test } from 'vitest';
import { fitting, inSight, turned, widths, type Column } from './table';

const COLUMNS: Column[] = [
  { key: 'name', title: 'Name', min: 160, grow: 2, rank: 0 },
  { key: 'vendor', title: 'Vendor', min: 120, rank: 2 },
  { key: 'seen', title: 'Seen', min: 100, rank: 1 },
];

test('columns go by rank and stay in order', () => {
  const keys = (width: number) => fitting(COLUMNS, width).map((column) => column.key);
  expect(keys(1000)).toEqual(['name', 'vendor', 'seen']);
  expect(keys(300)).toEqual(['name', 'seen']);
  expect(keys(100)).toEqual(['name']);
});

test('widths fill the room exactly', () => {
  const sum = (width: number) => widths(COLUMNS, width).reduce((a, b) => a + b, 0);
  expect(sum(1000)).toBeCloseTo(100);
  expect(sum(200)).toBeCloseTo(100);
});

test('only rows in sight are drawn, however many there are', () => {
  expect(inSight(0, 40, 0, 800)).toEqual({ from: 0, to: 0 });
  expect(inSight(10, 40, 0, 800)).toEqual({ from: 0, to: 10 });
  const window = inSight(100_000, 40, 400_000, 800);
  expect(window.to - window.from).toBeLessThan(50);
  expect(window.from).toBeLessThanOrEqual(10_000);
  expect(window.to).toBeGreaterThanOrEqual(10_020);
});

test('a list that became short leaves no window beyond its end', () => {
  expect(inSight(3, 40, 4_000, 800)).toEqual({ from: 0, to: 3 });
  const behind = inSight(1_000, 40, 92_000, 800);
  expect(behind.to).toBe(1_000);
  expect(behind.from).toBeLessThanOrEqual(980);
});

test('a header sorts, then the other way round', () => {
  expect(turned('', 'name')).toBe('name');
  expect(turned('name', 'name')).toBe('-name');
  expect(turned('-name', 'name')).toBe('name');
  expect(turned('-name', 'vendor')).toBe('vendor');
});
