import { expect, test, vi } from 'vitest';

// The module's own client wants a browser around it; each test brings its own sender.
vi.mock('./session.svelte', () => ({ api: {} }));
const { Fault } = await import('./api/client');
const { changeFindings } = await import('./triage');
import type { FindingDetail, FindingRow } from './api/types';

const rows = ['a', 'b', 'c'].map((id) => ({ id, generation: 1 }) as FindingRow);
const fails = (failures: Record<string, Error>) => (row: FindingRow) => {
  const failure = failures[row.id];
  return failure ? Promise.reject(failure) : Promise.resolve(row as FindingDetail);
};

test("somebody else's change is refused and the others go on", async () => {
  const steps: number[] = [];
  const send = fails({ b: new Fault(412, 'precondition', 'changed') });
  const outcome = await changeFindings(rows, { status: 'resolved' }, (n) => steps.push(n), send);
  expect(outcome.changed.map((row) => row.id)).toEqual(['a', 'c']);
  expect([outcome.refused, outcome.failed]).toEqual([1, null]);
  expect(steps).toEqual([1, 2, 3]);
});

test('a failure that meets all ends it at once', async () => {
  const failure = new Fault(0, 'unreachable', 'away');
  const outcome = await changeFindings(rows, {}, () => undefined, fails({ b: failure }));
  expect(outcome.changed.map((row) => row.id)).toEqual(['a']);
  expect(outcome.failed).toBe(failure);
});
