// What is wrong on the plant now: open findings, worst first.
// Not here: where they are. Invariant: a finding stands here only while it is open and not muted.

import type { FindingRow } from '../api/types';
import { readAgain } from '../live/again';
import { api } from '../session.svelte';
import { SEVERITIES } from '../severity';

const AGAIN_MS = 5_000;
const LISTED = 50;
const OPEN = 'status in ("open", "acknowledged", "in-progress") and muted eq false';

export class Troubles {
  /** Worst first, of those the newest. */
  list = $state.raw<FindingRow[]>([]);
  /** Are there more than are listed? */
  more = $state(false);

  start(): () => void {
    void this.#read();
    return readAgain(['finding'], AGAIN_MS, () => this.#read());
  }

  async #read() {
    try {
      const query = { filter: OPEN, sort: '-severity', limit: LISTED };
      const { data } = await api.get('/api/v1/findings', { query });
      this.more = data.next_cursor !== null;
      this.list = data.items.sort(
        (a, b) =>
          SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
          b.last_seen.localeCompare(a.last_seen),
      );
    } catch {
      // The map is about the plant; without this it is whole.
    }
  }
}
