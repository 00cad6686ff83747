// Rows in an order that was asked for, and those that hold the words sought.
//
// Not here: lists that the server sorts and filters. Invariant: what is not known stands last,
// whichever way the order goes, and equal rows stay as they were.
export type Ordered = string | number | null | undefined;

export interface Order {
  key: string;
  down: boolean;
}

// As people count: `plc-2` before `plc-10`.
const NATURAL = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

function compare(a: string | number, b: string | number): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return NATURAL.compare(String(a), String(b));
}

export function inOrder<T>(rows: readonly T[], by: (row: T) => Ordered, down: boolean): T[] {
  const known = (value: Ordered): value is string | number => value !== null && value !== undefined;
  const keyed = rows.map((row) => ({ row, key: by(row) }));
  keyed.sort((a, b) => {
    if (!known(a.key) || !known(b.key)) return Number(known(b.key)) - Number(known(a.key));
    return down ? compare(b.key, a.key) : compare(a.key, b.key);
  });
  return keyed.map(({ row }) => row);
}

/** Each word sought stands somewhere in the text. */
export function found(text: string, sought: string): boolean {
  const within = text.toLowerCase();
  return sought.toLowerCase().split(/\s+/).every((word) => within.includes(word));
}
