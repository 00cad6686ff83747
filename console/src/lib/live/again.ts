// Reading again a while after rows changed, once for however many did.
//
// Not here: what is read. Invariant: whoever stops is read for no more, and may start anew.
import type { WatchEvent } from '../api/types';
import { session } from '../session.svelte';
import { live, type Kind } from './live.svelte';

/**
 * Gives what stops it. While nobody is there it waits until somebody is. `concerns` hears of every
 * change, and says whether it is to be read for.
 */
export function readAgain(
  kinds: readonly Kind[],
  afterMs: number,
  read: () => unknown,
  concerns: (events: WatchEvent[]) => boolean = () => true,
) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const due = () => void read();
  const soon = () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      session.whenAttended(due);
    }, afterMs);
  };
  const stop = live.subscribe(kinds, (events) => concerns(events) && soon(), soon);
  return () => {
    stop();
    clearTimeout(timer);
    session.forget(due);
  };
}
