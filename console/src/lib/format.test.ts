import { describe, expect, test } from 'vitest';
import {
  ago,
  bitRate,
  bytes,
  className,
  counted,
  duration,
  fileName,
  level,
  local,
  percent,
  period,
  short,
  utc,
  whole,
  second,
  words,
  zoneName,
} from './format';

const NOW = Date.parse('2026-03-01T12:00:00Z');

describe('numbers', () => {
  test.each([
    [0, 0, '0 %'],
    [0, 9, '0 %'],
    [5, 2050, '< 1 %'],
    [6, 51, '12 %'],
    [1999, 2000, '> 99 %'],
    [99, 100, '99 %'],
    [2000, 2000, '100 %'],
  ])('percent(%d, %d) is %s', (part, total, text) => expect(percent(part, total)).toBe(text));

  test.each([
    [0, '0'],
    [1234567, '1,234,567'],
  ])('whole(%d) is %s', (value, text) => expect(whole(value)).toBe(text));

  test.each([
    [0, '0'],
    [999, '999'],
    [1200, '1.2k'],
    [250_000, '250k'],
    [3_400_000, '3.4M'],
    [0.25, '0.3'],
  ])('short(%d) is %s', (value, text) => expect(short(value)).toBe(text));

  test.each([
    [null, '–'],
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [5 * 1024 ** 3, '5.0 GiB'],
    [2 ** 60, '1024 PiB'],
  ])('bytes(%s) is %s', (value, text) => expect(bytes(value)).toBe(text));

  test('a rate counts bits in thousands', () => {
    expect(bitRate(0)).toBe('0 bit/s');
    expect(bitRate(125)).toBe('1.0 kbit/s');
    expect(bitRate(125e6)).toBe('1.0 Gbit/s');
  });

  test('one has no plural s', () => {
    expect(counted(1, 'asset')).toBe('1 asset');
    expect(counted(0, 'asset')).toBe('0 assets');
    expect(counted(2, 'entry', 'entries')).toBe('2 entries');
  });
});

describe('times', () => {
  test.each([
    ['2026-03-01T12:00:00Z', 'now'],
    ['2026-03-01T11:59:20Z', '40 s ago'],
    ['2026-03-01T11:15:00Z', '45 min ago'],
    ['2026-03-01T08:30:00Z', '3 h 30 min ago'],
    ['2026-02-26T12:00:00Z', '3 d ago'],
    ['2026-02-01T12:00:00Z', '2026-02-01'],
    ['2026-03-01T14:00:00Z', 'in 2 h'],
    ['nonsense', 'nonsense'],
  ])('ago(%s) is %s', (at, text) => expect(ago(at, NOW, 'UTC')).toBe(text));

  test('local time is that of the zone, also across midnight', () => {
    expect(local('2026-03-01T23:30:00.250000Z', 'Europe/Berlin')).toBe('2026-03-02 00:30:00');
    expect(local('2026-03-01T00:00:00Z', 'UTC')).toBe('2026-03-01 00:00:00');
  });

  test('UTC keeps every digit that was sent', () => {
    expect(utc('2026-03-01T23:30:00.250001Z')).toBe('2026-03-01 23:30:00.250001 UTC');
  });

  test('a polling period is in the unit people say', () => {
    expect([null, 250, 1000, 1500, 120_000].map(period)).toEqual([
      '–',
      '250 ms',
      '1 s',
      '1.5 s',
      '2 min',
    ]);
  });

  test('durations', () => {
    expect([-3, 59, 60, 3600, 3660, 200_000].map(duration)).toEqual([
      '0 s',
      '59 s',
      '1 min',
      '1 h',
      '1 h 1 min',
      '2 d',
    ]);
  });
});

test('two times of the same minute are told apart', () => {
  const said = ['2026-03-01T12:00:09Z', '2026-03-01T12:00:41Z', 'never'].map(second);
  expect(said[0]).toMatch(/:09 UTC/);
  expect(said[1]).toMatch(/:41 UTC/);
  expect(said[2]).toBe('never');
});

describe('words', () => {
  test('classes keep their capitals', () => {
    expect(className('plc')).toBe('PLC');
    expect(className('engineering-station')).toBe('Engineering station');
    expect(words('program-download')).toBe('Program download');
  });

  test('what is spelt in capitals is, and no longer word has any of it', () => {
    const said = ['dhcp_vendor_class', 'plc_name', 'management_ip', 'arp-conflict', 'constructor'];
    expect(said.map(words)).toEqual([
      'DHCP vendor class',
      'PLC name',
      'Management IP',
      'ARP conflict',
      'Constructor',
    ]);
  });

  test('a level is short, none is a dash', () => {
    expect([null, 0, 3.5].map(level)).toEqual(['–', 'L0', 'L3.5']);
  });

  test('a download has no character a file system dislikes', () => {
    const now = new Date('2026-03-01T12:34:56Z');
    expect(fileName('assets of line/2', 'csv', now)).toBe('assets-of-line-2-2026-03-01-1234.csv');
  });
});

test.each([
  [0, 'UTC'],
  [-60, 'UTC+1'],
  [-330, 'UTC+5:30'],
  [210, 'UTC−3:30'],
])('an offset of %i minutes is %s', (offset, name) => {
  const at = new Date(0);
  at.getTimezoneOffset = () => offset;
  expect(zoneName(at)).toBe(name);
});
