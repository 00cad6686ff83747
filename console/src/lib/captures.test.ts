import { expect, test } from 'vitest';
import { lengthMs, lengthOf } from './captures';
import { inOrder } from './order';

const capture = (ms: number | null) => ({
  first_ts: ms === null ? null : '2026-03-01T12:00:00.000000Z',
  last_ts: ms === null ? null : new Date(Date.UTC(2026, 2, 1, 12) + ms).toISOString(),
});

test('a capture is as long as from its first packet to its last', () => {
  const said = [null, 0, 250, 26_000, 3 * 3_600_000, 3 * 86_400_000].map((ms) =>
    lengthOf(capture(ms)),
  );
  expect(said).toEqual(['–', '0 s', '250 ms', '26 s', '3 h', '3 d']);
});

test('captures sort by length, and one that has none stands last', () => {
  const some = [90_000, null, 2_000, 86_400_000].map(capture);
  const lengths = (down: boolean) => inOrder(some, lengthMs, down).map(lengthMs);
  expect(lengths(false)).toEqual([2_000, 90_000, 86_400_000, null]);
  expect(lengths(true)).toEqual([86_400_000, 90_000, 2_000, null]);
});
