import { describe, expect, test } from 'vitest';
import { facetValue } from './fields';

describe('a facet', () => {
  const said = (field: string, value: string | null) =>
    facetValue(field, { value, count: 1 }, (id) => `zone of ${id}`);

  test('says of what is not there what the page of an asset says', () => {
    expect(['zone', 'severity', 'purdue', 'vendor'].map((field) => said(field, null))).toEqual([
      'None',
      'None',
      'No level',
      'Unknown',
    ]);
  });

  test('has the words of people', () => {
    expect(said('class', 'plc')).toBe('PLC');
    expect(said('purdue', '3.5')).toBe('3.5 Industrial DMZ');
    expect(said('zone', 'zon_1')).toBe('zone of zon_1');
  });
});
