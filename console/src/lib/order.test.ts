import { describe, expect, it } from 'vitest';
import { found, inOrder } from './order';

describe('order', () => {
  const rows = ['plc-10', null, 'plc-2', 'PLC-1'];

  it('counts as people do and leaves the unknown last both ways', () => {
    expect(inOrder(rows, (row) => row, false)).toEqual(['PLC-1', 'plc-2', 'plc-10', null]);
    expect(inOrder(rows, (row) => row, true)).toEqual(['plc-10', 'plc-2', 'PLC-1', null]);
    expect(inOrder([3, 20, undefined, 1], (row) => row, false)).toEqual([1, 3, 20, undefined]);
  });

  it('keeps equal rows as they were', () => {
    const pairs = [{ at: 1, name: 'a' }, { at: 2, name: 'a' }, { at: 3, name: 'A' }];
    expect(inOrder(pairs, (pair) => pair.name, true).map((pair) => pair.at)).toEqual([1, 2, 3]);
  });
});

describe('found', () => {
  it('wants each word, in any order and case', () => {
    expect(found('HMI mixing line 2', 'LINE hmi')).toBe(true);
    expect(found('HMI mixing line 2', 'line 3')).toBe(false);
    expect(found('anything', '  ')).toBe(true);
  });
});
