import { expect, test, vi } from 'vitest';
import { AWAY_MS, Presence } from './presence';

function presence() {
  let at = 1_000;
  const one = new Presence(() => at);
  return { one, pass: (ms: number) => (at += ms) };
}

test('what is asked for while somebody is there is done at once', () => {
  const { one, pass } = presence();
  const read = vi.fn();
  pass(AWAY_MS - 1);
  one.whenAttended(read);
  expect(read).toHaveBeenCalledTimes(1);
  one.seen();
  expect(read).toHaveBeenCalledTimes(1);
});

test('what is asked for while nobody is there is done once, when somebody is', () => {
  const { one, pass } = presence();
  const [read, gone] = [vi.fn(), vi.fn()];
  pass(AWAY_MS);
  expect(one.attended).toBe(false);
  for (const wanted of [read, gone, read]) one.whenAttended(wanted);
  one.forget(gone);
  expect(read).not.toHaveBeenCalled();
  one.seen();
  expect([read.mock.calls.length, gone.mock.calls.length]).toEqual([1, 0]);
  one.seen();
  expect(read).toHaveBeenCalledTimes(1);
});

test('what is put off again by what it does waits for the next time', () => {
  const { one, pass } = presence();
  pass(AWAY_MS);
  let times = 0;
  const read = () => {
    times += 1;
    pass(AWAY_MS);
    one.whenAttended(read);
  };
  one.whenAttended(read);
  one.seen();
  expect(times).toBe(1);
  one.seen();
  expect(times).toBe(2);
});
