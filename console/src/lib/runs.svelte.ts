// Runs under way, as the stream tells of them.
//
// Not here: the list of all runs. Invariant: a run leaves when it has ended, and whoever watches
// is told once that something ended.
import { onMount, untrack } from 'svelte';
import type { Run } from './api/types';
import { live } from './live/live.svelte';
import { isOpen } from './protection';
import { session } from './session.svelte';

export class OpenRuns {
  list = $state.raw<Run[]>([]);

  /** To be made while a component starts; `ended` reads again what a run may have changed. */
  constructor(ended: () => void) {
    onMount(() => {
      live.begin(null);
      const stop = live.subscribe(
        ['run'],
        (events) => {
          const rows = events.flatMap((event) => (event.kind === 'run' ? [event.row] : []));
          if (this.take(rows)) session.whenAttended(ended);
        },
        () => {
          // Some may have ended, and nobody will tell.
          this.list = [];
          session.whenAttended(ended);
        },
      );
      return () => {
        stop();
        session.forget(ended);
      };
    });
  }

  /** True when one of them has ended. */
  take(rows: readonly Run[]): boolean {
    // Whoever takes rows in an effect must not wait for what it writes itself.
    const before = untrack(() => this.list);
    const known = new Map(before.map((run) => [run.id, run]));
    for (const row of rows) known.set(row.id, row);
    const all = [...known.values()];
    this.list = all
      .filter(isOpen)
      .sort((a, b) => (a.state === b.state ? a.queued_at.localeCompare(b.queued_at) : a.state === 'running' ? -1 : 1));
    return rows.some((row) => !isOpen(row));
  }
}
