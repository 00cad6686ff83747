import { describe, expect, test } from 'vitest';
import { FACET_ROWS, facetValue, folded, totalOf } from './fields';

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

  test('shows its first values and those that are chosen, in their order', () => {
    const counts = Array.from({ length: 14 }, (_, at) => ({ value: `v${at}`, count: 20 - at }));
    const none = { value: null, count: 1 };
    const shown = folded([...counts, none], ['v12', null, 'v3']).map(({ value }) => value);
    const first = counts.slice(0, FACET_ROWS).map(({ value }) => value);
    expect(shown).toEqual([...first, 'v12', null]);
    expect(folded(counts.slice(0, 4), [])).toHaveLength(4);
  });
});

test('what may be chosen besides is not counted as there', () => {
  const facets = {
    class: [
      { value: 'plc', count: 4 },
      { value: 'hmi', count: 2 },
    ],
    purdue: [{ value: '1', count: 3 }, { value: null, count: 1 }],
  };
  expect(totalOf(facets, {})).toBe(6);
  expect(totalOf(facets, { class: ['plc'] })).toBe(4);
  const every = { purdue: ['1'], lifecycle: ['new'], severity: [null], role: ['server'] };
  expect(totalOf(facets, { class: ['plc'], ...every })).toBe(4);
  expect(totalOf({}, {})).toBe(0);
});
