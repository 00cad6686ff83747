import { describe, expect, test } from 'vitest';
import { all, facetsOf, isExpression, meant, oneOf, quote, typed } from './filter';

test('a hostile value stays one value', () => {
  expect(quote('a" or name ne "')).toBe('"a\\" or name ne \\""');
  expect(quote('back\\slash')).toBe('"back\\\\slash"');
  expect(quote('line\nfeed\u0000\x7f')).toBe('"linefeed"');
});

describe('one of several values', () => {
  test.each([
    ['class', ['plc'], 'class eq "plc"'],
    ['class', ['plc', 'hmi'], 'class in ("plc", "hmi")'],
    ['vendor', [null], 'vendor eq null'],
    ['vendor', ['Siemens', null], '(vendor eq "Siemens" or vendor eq null)'],
    ['purdue', ['3.5', '1'], 'purdue in (3.5, 1)'],
    ['severity', ['high'], 'severity eq high'],
    ['class', [], ''],
  ])('%s of %j', (field, values, text) => expect(oneOf(field, values)).toBe(text));

  test('a bare field quotes what is no bare word', () => {
    expect(oneOf('purdue', ['1 or name ne null'])).toBe('purdue eq "1 or name ne null"');
  });
});

test('parts join without changing what they mean', () => {
  expect(all('', null, undefined)).toBe('');
  expect(all('a eq 1')).toBe('a eq 1');
  expect(all('a eq 1 or b eq 2', 'c eq 3')).toBe('(a eq 1 or b eq 2) and c eq 3');
  expect(all('(a eq 1 or b eq 2)', 'c eq 3')).toBe('(a eq 1 or b eq 2) and c eq 3');
  expect(all('(a eq 1) or (b eq 2)', 'c eq 3')).toBe('((a eq 1) or (b eq 2)) and c eq 3');
  expect(all('(a eq "x)" or b eq 2)', 'c eq 3')).toBe('(a eq "x)" or b eq 2) and c eq 3');
});

describe('what was typed', () => {
  test.each([
    ['filler 2', false],
    ['10.0.0.1', false],
    ['class eq "plc"', true],
    ['labels.line eq "2"', true],
    ['(purdue le 1)', true],
    ['last_seen lt -P7D', true],
    ['ip in ("10.0.0.1")', true],
    ['the equipment in hall 3', false],
  ])('%s: filter? %s', (text, is) => expect(isExpression(text)).toBe(is));

  test('words must all be contained', () => {
    expect(typed('  filler "2" ')).toBe('text contains "filler" and text contains "\\"2\\""');
    expect(typed('class eq "plc"')).toBe('class eq "plc"');
    expect(typed('   ')).toBe('');
  });
});

describe('what was meant by a text that is no filter', () => {
  const fields = ['class', 'name', 'purdue', 'vendor', 'ip', 'labels.KEY', 'last_seen'];
  test.each([
    ['class = plc', 'class eq "plc"'],
    ['Class == "plc"', 'class eq "plc"'],
    ['class:plc', 'class eq "plc"'],
    ["vendor != 'Siemens AG'", 'vendor ne "Siemens AG"'],
    ['name like "x"', 'name contains "x"'],
    ['purdue<=1', 'purdue le 1'],
    ['class EQ "plc"', 'class eq "plc"'],
    ['labels.line=2', 'labels.line eq "2"'],
    ['ip = "', 'ip eq "\\""'],
  ])('%s: %s', (text, filter) => {
    expect(isExpression(text)).toBe(false);
    expect(meant(text, fields)).toBe(filter);
    expect(isExpression(filter)).toBe(true);
  });
  test.each(['siemens', 'vendor siemens', '00:1b:1b:77:00:02', 'fe80::1', 'labels = 2', 'class =', 'a<b'])(
    '%s: words',
    (text) => expect(meant(text, fields)).toBeNull(),
  );
});

test('facets in the address, an empty one means rows without a value', () => {
  const query = new URLSearchParams('class=plc&class=hmi&vendor=&q=x');
  expect(facetsOf(query, ['class', 'vendor', 'zone'])).toEqual({
    class: ['plc', 'hmi'],
    vendor: [null],
  });
});
