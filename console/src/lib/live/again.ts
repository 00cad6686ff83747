// Reading again a while after rows changed, once for however many did.
//
// Not here: what is read. Invariant: whoever stops is read for no more, and may start anew.
import { session } from '../session.svelte';
import { live, type Kind } from './live.svelte';

/** Gives what stops it. Nothing is read for a page nobody looks at. */
export function readAgain(kinds: readonly Kind[], afterMs: number, read: () => Promise<void>) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const soon = () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      if (session.attended) void read();
    }, afterMs);
  };
  const stop = live.subscribe(kinds, soon, soon);
  return () => {
    stop();
    clearTimeout(timer);
  };
}
