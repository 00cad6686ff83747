import { expect, test } from 'vitest';
import type { Evidence } from './api/types';
import { asSent } from './evidence';

const message = (at: string, frame: number): Evidence => ({
  kind: 'message',
  at: `2026-03-01T12:00:${at}Z`,
  frame,
  protocol: 's7comm',
  from: null,
  to: null,
  says: 'asks: stop',
  excerpt: null,
});

test('messages are told as they were sent, and the rest stays in its place', () => {
  const learned: Evidence = { kind: 'learned', says: 'who writes', members: [] };
  const pieces = [message('07.5', 9), learned, message('07', 40), message('07', 8)];
  const [first, second, third, fourth] = pieces;
  expect(asSent(pieces)).toEqual([fourth, second, third, first]);
  expect(pieces[0]).toBe(first);
});
