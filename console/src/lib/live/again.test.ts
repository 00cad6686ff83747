import { beforeEach, expect, test, vi } from 'vitest';
import type { WatchEvent } from '../api/types';

const given = vi.hoisted(() => ({
  events: (_: unknown[]) => undefined as unknown,
  reset: () => undefined as void,
  away: false,
  waiting: new Set<() => void>(),
}));
vi.mock('../session.svelte', () => ({
  session: {
    whenAttended: (read: () => void) => (given.away ? given.waiting.add(read) : read()),
    forget: (read: () => void) => given.waiting.delete(read),
  },
}));
vi.mock('./live.svelte', () => ({
  live: {
    subscribe: (_: unknown, events: typeof given.events, reset: typeof given.reset) => {
      Object.assign(given, { events, reset });
      return () => Object.assign(given, { events: () => undefined, reset: () => undefined });
    },
  },
}));
const { readAgain } = await import('./again');
const mine = { kind: 'run' } as WatchEvent;

beforeEach(() => {
  vi.useFakeTimers();
  given.away = false;
  given.waiting.clear();
});

test('however many changes that concern it are read for once, others not', () => {
  const read = vi.fn();
  const stop = readAgain(['run'], 500, read, (events) => events.includes(mine));
  given.events([{ kind: 'run' }]);
  vi.advanceTimersByTime(1_000);
  expect(read).not.toHaveBeenCalled();
  given.events([mine]);
  given.events([mine]);
  vi.advanceTimersByTime(500);
  expect(read).toHaveBeenCalledTimes(1);
  // What was missed may have concerned it.
  given.reset();
  vi.advanceTimersByTime(500);
  expect(read).toHaveBeenCalledTimes(2);
  stop();
});

test('who stops is read for no more, also where nobody was there', () => {
  const read = vi.fn();
  const stop = readAgain(['run'], 500, read);
  given.away = true;
  given.events([mine]);
  vi.advanceTimersByTime(500);
  expect([read.mock.calls.length, given.waiting.size]).toEqual([0, 1]);
  given.events([mine]);
  stop();
  vi.advanceTimersByTime(500);
  expect([read.mock.calls.length, given.waiting.size]).toEqual([0, 0]);
});
