// Days as people choose them, as spans of time.
//
// Invariant: a day begins and ends by the clock of who looks, also where it has 23 or 25 hours.

/** When the day `2026-03-29` begins here, `after` days later; `null` for what is no day. */
function begins(day: string, after: number): string | null {
  const [, year, month, date] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day) ?? [];
  if (!year) return null;
  const at = new Date(Number(year), Number(month) - 1, Number(date) + after);
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
}

/** From the first moment of one day to the last of the other; an end may be open. */
export function spanOf(from: string, to: string): { since?: string; until?: string } {
  const since = begins(from, 0);
  const until = begins(to, 1);
  return { ...(since && { since }), ...(until && { until }) };
}
