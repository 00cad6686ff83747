import { expect, test } from 'vitest';
import { Traffic } from './traffic';

const T0 = Date.parse('2026-03-01T12:00:00Z');
const iso = (seconds: number) => new Date(T0 + seconds * 1000).toISOString();
const point = (seconds: number, packets: number) => ({
  at: iso(seconds),
  packets,
  bytes: packets * 100,
  drops: 0,
});
const beat = (seconds: number, packets: number) => ({
  ...point(seconds, packets),
  learning: false,
  sensor: 'line 2',
});

test('a beat the server has counted already is not counted twice', () => {
  const traffic = new Traffic([point(0, 10)], 10, T0 + 8_000);
  traffic.add(beat(7, 5));
  traffic.add(beat(9, 5));
  expect(traffic.series(T0 + 20_000).packets).toEqual([1.5]);
});

test('the step that still fills is left out', () => {
  const traffic = new Traffic([point(0, 10)], 10, T0);
  traffic.add(beat(12, 50));
  expect(traffic.series(T0 + 15_000).at).toEqual([T0 / 1000]);
  expect(traffic.series(T0 + 20_000).packets).toEqual([1, 5]);
});

test('only the last hour, in order, in bits per second', () => {
  const traffic = new Traffic([point(10, 20), point(0, 10), point(-3_700, 99)], 10, T0);
  const series = traffic.series(T0 + 60_000);
  expect(series.packets).toEqual([1, 2]);
  expect(series.bits).toEqual([800, 1600]);
});

test('where nothing was measured there is nothing, however long', () => {
  const traffic = new Traffic([point(0, 10), point(10, 20), point(600, 30)], 10, T0);
  const series = traffic.series(T0 + 700_000);
  expect(series.at.map((at) => at - T0 / 1000)).toEqual([0, 10, 20, 600]);
  expect(series.packets).toEqual([1, 2, null, 3]);
  expect(series.bits).toEqual([800, 1600, null, 2400]);
});
