import { expect, test } from 'vitest';
import { changeOf, formOf, labelsOf, type AssetForm } from './assetChange';

const BEFORE: AssetForm = formOf({
  name: 'Filler 2',
  class: 'plc',
  purdue: 1,
  zone: null,
  criticality: null,
  labels: { line: '2', 'site/hall': 'north = old' },
  lifecycle: 'new',
  note: null,
  changed_by: null,
  changed_at: null,
});

test('what nobody touched is not sent', () => {
  expect(changeOf(BEFORE, { ...BEFORE })).toEqual({});
});

test('an emptied field takes the word back, numbers are numbers', () => {
  const after = { ...BEFORE, name: '', purdue: '3.5', criticality: '4', lifecycle: 'approved' };
  expect(changeOf(BEFORE, after)).toEqual({
    name: null,
    purdue: 3.5,
    criticality: 4,
    lifecycle: 'approved',
  });
  expect(changeOf(BEFORE, { ...BEFORE, purdue: '0' })).toEqual({ purdue: 0 });
});

test('labels are lines, a value may hold an equals sign', () => {
  expect(BEFORE.labels).toBe('line=2\nsite/hall=north = old');
  expect(labelsOf('line = 3\n\nsite/hall=a=b')).toEqual({ line: '3', 'site/hall': 'a=b' });
  expect(() => labelsOf('Line=3')).toThrow('Line=3');
  expect(() => labelsOf('line')).toThrow('key=value');
  expect(changeOf(BEFORE, { ...BEFORE, labels: '' })).toEqual({ labels: {} });
});
