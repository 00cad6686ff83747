import { describe, expect, it } from 'vitest';
import { around, lineDiff } from './lineDiff';

const marks = { same: ' ', gone: '-', new: '+' } as const;
const shown = (a: string, b: string) =>
  lineDiff(a, b)
    .map((line) => marks[line.kind] + line.text)
    .join('|');

describe('lines of two texts', () => {
  it('keep what stayed in its place', () => {
    expect(shown('a\nb\nc', 'a\nx\nc')).toBe(' a|-b|+x| c');
    expect(shown('a\nb', 'a\nb\nc')).toBe(' a| b|+c');
    expect(shown('a\nb\nc\nd', 'b\nd\ne')).toBe('-a| b|-c| d|+e');
    expect(shown('', '')).toBe(' ');
  });

  it('give both texts back', () => {
    const a = 'interface 1\n no shut\ninterface 2\n vlan 7\n shut';
    const b = 'interface 1\n shut\ninterface 3\n vlan 7\n no shut\nend';
    const lines = lineDiff(a, b);
    const of = (kind: string) => lines.filter((l) => l.kind === 'same' || l.kind === kind);
    expect(of('gone').map((l) => l.text).join('\n')).toBe(a);
    expect(of('new').map((l) => l.text).join('\n')).toBe(b);
    expect(of('new').map((l) => l.after)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('leave out what is far from a difference', () => {
    const a = Array.from({ length: 40 }, (_, n) => `line ${n}`).join('\n');
    const rows = around(lineDiff(a, a.replace('line 20', 'line twenty')), 2);
    expect(rows.map((row) => row?.text ?? '…')).toEqual([
      '…',
      'line 18',
      'line 19',
      'line 20',
      'line twenty',
      'line 21',
      'line 22',
    ]);
  });
});
