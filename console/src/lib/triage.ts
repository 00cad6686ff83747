// Changes to findings, one by one with their ETag, also for many at once.
//
// Invariant: a finding somebody else changed meanwhile is not overwritten: it is counted as refused.
import { Fault } from './api/client';
import type { FindingDetail, FindingRow, Schemas } from './api/types';
import { api } from './session.svelte';

type Change = Schemas['FindingChange'];

export async function changeFinding(finding: FindingRow, change: Change): Promise<FindingDetail> {
  const asked = { path: { id: finding.id }, etag: finding.generation };
  return (await api.patch('/api/v1/findings/{id}', change, asked)).data;
}

export interface Outcome {
  changed: FindingDetail[];
  refused: number;
  failed: unknown;
}

/** Stops at the first failure that would meet the others too. */
export async function changeFindings(
  findings: readonly FindingRow[],
  change: Change,
  onstep: (done: number) => void,
  send: typeof changeFinding = changeFinding,
): Promise<Outcome> {
  const outcome: Outcome = { changed: [], refused: 0, failed: null };
  for (const [index, finding] of findings.entries()) {
    try {
      outcome.changed.push(await send(finding, change));
    } catch (error) {
      const own = error instanceof Fault && [404, 409, 412].includes(error.status);
      if (!own) {
        outcome.failed = error;
        break;
      }
      outcome.refused += 1;
    }
    onstep(index + 1);
  }
  return outcome;
}
