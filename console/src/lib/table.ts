// What a table shows in the room it has: which columns, which rows.
//
// Invariant: pure, so that it is tested without a browser.

export interface Column {
  key: string;
  title: string;
  /** Least width in pixels. */
  min: number;
  /** Share of the room that is left; 0 keeps the least width. */
  grow?: number;
  /** 0 is always there; the greatest goes first when room is short. */
  rank: number;
  right?: boolean;
  /** Field the list can be sorted by. */
  sort?: string;
}

/** The columns that fit, in their order. */
export function fitting(columns: readonly Column[], width: number): Column[] {
  const byRank = [...columns].sort((a, b) => a.rank - b.rank);
  const kept = new Set<string>();
  let used = 0;
  for (const column of byRank) {
    if (column.rank > 0 && used + column.min > width) break;
    used += column.min;
    kept.add(column.key);
  }
  return columns.filter((column) => kept.has(column.key));
}

/** Widths in percent, so that the browser shares the room as told. */
export function widths(columns: readonly Column[], width: number): number[] {
  const least = columns.reduce((sum, column) => sum + column.min, 0);
  const shares = columns.reduce((sum, column) => sum + (column.grow ?? 0), 0);
  const room = Math.max(0, width - least);
  const total = Math.max(width, least, 1);
  return columns.map((column) => {
    const extra = shares > 0 ? (room * (column.grow ?? 0)) / shares : room / columns.length;
    return ((column.min + extra) / total) * 100;
  });
}

export interface Window {
  from: number;
  to: number;
}

/** Rows come and go so many at once: most frames of a scroll then change nothing. */
const STEP = 6;

/** The rows to draw: those in sight and some around them. */
export function inSight(
  count: number,
  rowHeight: number,
  scrolled: number,
  height: number,
  around = 12,
): Window {
  const step = (rows: number) => rows * STEP;
  // A list that has become shorter may be scrolled behind its end.
  const top = Math.min(scrolled, Math.max(0, count * rowHeight - height));
  const first = step(Math.floor((top / rowHeight - around) / STEP));
  const last = step(Math.ceil(((top + height) / rowHeight + around) / STEP));
  const from = Math.min(Math.max(0, first), Math.max(0, count - 1));
  return { from, to: Math.max(from, Math.min(count, last)) };
}

/** `name`, `-name` or another field: what a click on a header asks for. */
export function turned(sort: string, field: string): string {
  if (sort === field) return `-${field}`;
  if (sort === `-${field}`) return field;
  return field;
}
