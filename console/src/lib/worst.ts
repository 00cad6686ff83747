// Which open findings stand on the overview: one of each kind before a second of any, or twenty of
// one kind would hide that a controller was stopped.
import type { FindingRow } from './api/types';
import { severityRank } from './severity';

export interface Line<F> {
  finding: F;
  /** How many others of its kind are open and have no line; said on the kind's last line. */
  more: number;
}

/** `open` counts the open findings of each kind, also those that are not among `findings`. */
export function worst<F extends Pick<FindingRow, 'detector' | 'severity' | 'last_seen'>>(
  findings: readonly F[],
  open: ReadonlyMap<string, number>,
  most: number,
): Line<F>[] {
  const first = (a: F, b: F) =>
    severityRank(a.severity) - severityRank(b.severity) || b.last_seen.localeCompare(a.last_seen);
  const sorted = findings.toSorted(first);
  const seen = new Set<string>();
  const newKind = ({ detector }: F) => !seen.has(detector) && seen.add(detector);
  const leading = new Set(sorted.filter(newKind));
  const rest = sorted.filter((finding) => !leading.has(finding));
  const shown = [...leading, ...rest].slice(0, most).sort(first);
  const lines = new Map<string, number>();
  for (const { detector } of shown) lines.set(detector, (lines.get(detector) ?? 0) + 1);
  return shown.map((finding, at) => {
    const { detector } = finding;
    const last = shown.findLastIndex((other) => other.detector === detector) === at;
    const all = open.get(detector) ?? 0;
    return { finding, more: last ? Math.max(0, all - (lines.get(detector) ?? 0)) : 0 };
  });
}
