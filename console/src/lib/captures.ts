// What a list says of a capture.
import type { Capture } from './api/types';
import { duration, period } from './format';

type Times = Pick<Capture, 'first_ts' | 'last_ts'>;

/** From its first packet to its last; null where nothing in it has a time. */
export function lengthMs({ first_ts, last_ts }: Times): number | null {
  if (!first_ts || !last_ts) return null;
  return Date.parse(last_ts) - Date.parse(first_ts);
}

export function lengthOf(capture: Times): string {
  const ms = lengthMs(capture);
  if (ms === null) return '–';
  return ms > 0 && ms < 1_000 ? period(ms) : duration(ms / 1_000);
}
