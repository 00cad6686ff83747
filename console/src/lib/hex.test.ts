import { expect, test } from 'vitest';
import { hexRows } from './hex';

test('rows of sixteen with offset and text', () => {
  const rows = hexRows('00010000000611030 06b0003'.replace(' ', '') + '41424344207e7fff80');
  expect(rows).toEqual([
    {
      offset: '0000',
      pairs: '00 01 00 00 00 06 11 03 00 6b 00 03 41 42 43 44'.split(' '),
      ascii: '·········k··ABCD',
    },
    { offset: '0010', pairs: ['20', '7e', '7f', 'ff', '80'], ascii: ' ~···' },
  ]);
});

test('nothing is made of nothing, and half a byte is none', () => {
  expect(hexRows('')).toEqual([]);
  expect(hexRows('4')).toEqual([]);
  expect(hexRows('41 4')).toEqual([{ offset: '0000', pairs: ['41'], ascii: 'A' }]);
});
