// Bytes as people read them: offsets, pairs of digits, and what of them is text.
//
// Invariant: pure; whatever the excerpt holds, a row has 16 bytes at most and nothing is invented.
export interface HexRow {
  offset: string;
  pairs: string[];
  ascii: string;
}

export const ROW_BYTES = 16;

/** `4d6f64...` to rows. Digits that make no whole byte are left out. */
export function hexRows(excerpt: string, rowBytes = ROW_BYTES): HexRow[] {
  const digits = excerpt.replace(/[^0-9a-fA-F]/g, '').toLowerCase();
  const pairs = digits.match(/../g) ?? [];
  const rows: HexRow[] = [];
  for (let start = 0; start < pairs.length; start += rowBytes) {
    const part = pairs.slice(start, start + rowBytes);
    const ascii = part.map((pair) => printable(parseInt(pair, 16))).join('');
    rows.push({ offset: start.toString(16).padStart(4, '0'), pairs: part, ascii });
  }
  return rows;
}

function printable(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·';
}
