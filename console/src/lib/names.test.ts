import { expect, test } from 'vitest';
import { concerned } from './names';

const asset = (name: string, id = `ast_${name}`) => ({ id, name });

test.each([
  [[], [], ''],
  [[asset('HIST-01')], ['10.0.0.1'], 'HIST-01'],
  [[asset('a'), asset('b'), asset('c'), asset('d')], [], 'a, b, c and 1 more'],
  [[asset('a'), asset('ast_7', 'ast_7')], [], 'a and 1 more'],
  [[asset('ast_7', 'ast_7')], ['10.0.0.1', '10.0.0.2'], '10.0.0.1, 10.0.0.2'],
  [[], ['1', '2', '3', '4', '5'], '1, 2, 3 and 2 more'],
])('%j at %j is %s', (assets, addresses, text) => {
  expect(concerned({ assets, addresses })).toBe(text);
});
