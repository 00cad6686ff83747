// What is wrong on the plant now: open findings, worst first.
// Not here: where they are. Invariant: a finding stands here only while it is open and not muted.

import type { FindingRow } from '../api/types';
import { readAgain } from '../live/again';
import { api } from '../session.svelte';
import { SEVERITIES } from '../severity';
import type { Severity } from './model';

const AGAIN_MS = 5_000;
const LISTED = 50;
const OPEN = 'status in ("open", "acknowledged", "in-progress") and muted eq false';

export class Troubles {
  /** Worst first, of those the newest. */
  list = $state.raw<FindingRow[]>([]);
  /** How many there are of each severity, also of those that are not listed. */
  counts = $state.raw<{ severity: Severity; count: number }[]>([]);

  start(): () => void {
    void this.#read();
    return readAgain(['finding'], AGAIN_MS, () => this.#read());
  }

  async #read() {
    try {
      const query = { filter: OPEN, sort: '-severity', limit: LISTED, facets: 'severity' };
      const { data } = await api.get('/api/v1/findings', { query });
      const counts = new Map(data.facets?.severity?.map(({ value, count }) => [value, count]));
      this.counts = SEVERITIES.flatMap((severity) => {
        const count = counts.get(severity) ?? 0;
        return count > 0 ? [{ severity, count }] : [];
      });
      this.list = data.items;
    } catch {
      // The map is about the plant; without this it is whole.
    }
  }
}
