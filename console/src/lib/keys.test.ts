import { expect, test, vi } from 'vitest';

vi.stubGlobal('addEventListener', () => undefined);
const { Sequences } = await import('./keys.svelte');
const { match, returnPath } = await (async () => {
  vi.stubGlobal('location', { pathname: '/', search: '' });
  vi.stubGlobal('document', { addEventListener: () => undefined });
  return import('./router.svelte');
})();

const KNOWN = ['j', 'g o', 'g a', 'a', '?'];

test('single keys at once, sequences with their second key', () => {
  const sequences = new Sequences();
  expect(sequences.press('j', 0, KNOWN)).toBe('j');
  expect(sequences.press('g', 10, KNOWN)).toBeNull();
  expect(sequences.press('o', 500, KNOWN)).toBe('g o');
  expect(sequences.press('o', 600, KNOWN)).toBeNull();
});

test('a key that ends a sequence does not do what it does alone', () => {
  const sequences = new Sequences();
  sequences.press('g', 0, KNOWN);
  expect(sequences.press('a', 100, KNOWN)).toBe('g a');
  expect(sequences.press('a', 200, KNOWN)).toBe('a');
});

test('a sequence that takes too long is none', () => {
  const sequences = new Sequences();
  sequences.press('g', 0, KNOWN);
  expect(sequences.press('a', 5_000, KNOWN)).toBe('a');
});

test('paths find their page and its parameters', () => {
  const patterns = ['/', '/assets', '/assets/:id'];
  expect(match(patterns, '/')?.pattern).toBe('/');
  expect(match(patterns, '/assets/')).toEqual({ pattern: '/assets', params: {} });
  expect(match(patterns, '/assets/a%2Fb')).toEqual({
    pattern: '/assets/:id',
    params: { id: 'a/b' },
  });
  expect(match(patterns, '/assets/%zz')).toBeNull();
  expect(match(patterns, '/nowhere')).toBeNull();
});

test.each([
  [null, '/'],
  ['/findings?view=mine', '/findings?view=mine'],
  ['//evil.example/x', '/'],
  ['/\\evil.example', '/'],
  ['https://evil.example', '/'],
  ['javascript:alert(1)', '/'],
  ['/sign-in?return=/x', '/'],
  ['/api/v1/me', '/'],
  ['/assets\nx', '/'],
])('after signing in %j leads to %s', (wanted, path) => expect(returnPath(wanted)).toBe(path));
