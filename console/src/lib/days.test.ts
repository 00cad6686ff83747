import { expect, test } from 'vitest';
import { spanOf } from './days';

const local = (text: string) => new Date(text).toISOString();

test('the last day is in, and an end may be open', () => {
  expect(spanOf('2026-03-28', '2026-03-29')).toEqual({
    since: local('2026-03-28T00:00:00'),
    until: local('2026-03-30T00:00:00'),
  });
  expect(spanOf('', '2026-12-31')).toEqual({ until: local('2027-01-01T00:00:00') });
  expect(spanOf('2026-02-28', '')).toEqual({ since: local('2026-02-28T00:00:00') });
});

test('what is no day is no bound', () => {
  expect(spanOf('yesterday', '2026-1-1')).toEqual({});
});
