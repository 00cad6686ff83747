// Where a list was scrolled to, kept while it is shown and restored when somebody comes back.
import { onMount, tick } from 'svelte';

/** Call while a page is made: scrolls there, then tells each later place. */
export function backTo(place: number, onscroll: (to: number) => void) {
  onMount(() => {
    const main = document.getElementById('main');
    const note = () => onscroll(main?.scrollTop ?? 0);
    // The router goes to the top first, the table needs its rows before.
    void tick().then(() =>
      requestAnimationFrame(() => {
        if (place > 0) main?.scrollTo(0, place);
        main?.addEventListener('scroll', note, { passive: true });
      }),
    );
    return () => main?.removeEventListener('scroll', note);
  });
}
