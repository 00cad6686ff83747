import { expect, test } from 'vitest';
import { BYTE_ORDER_MARK, wholeTable } from './csv';

test('the pages of a list become one table with one header', async () => {
  const pages: Record<string, { text: string; next: string | null }> = {
    first: { text: 'a,b\r\n1,2\r\n', next: 'second' },
    second: { text: 'a,b\r\n3,"x\r\ny"\r\n', next: 'third' },
    third: { text: 'a,b\r\n', next: null },
  };
  const asked: (string | null)[] = [];
  const text = await wholeTable((cursor) => {
    asked.push(cursor);
    return Promise.resolve(pages[cursor ?? 'first'] ?? { text: '', next: null });
  });
  expect(text).toBe(`${BYTE_ORDER_MARK}a,b\r\n1,2\r\n3,"x\r\ny"\r\n`);
  expect(asked).toEqual([null, 'second', 'third']);
});
