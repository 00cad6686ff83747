// The page on its way to paper: there nothing scrolls, letters are dark, and a time is a moment.
// Not here: what a page leaves out there (its own style). Invariant: a sheet is made at once, so all
// that it needs is on the page before the browser's event returns.
import { flushSync } from 'svelte';
import { themes } from './theme.svelte';

class Paper {
  #print = matchMedia('print');
  on = $state(this.#print.matches);

  constructor() {
    addEventListener('beforeprint', () => this.#lay(true));
    addEventListener('afterprint', () => this.#lay(false));
    this.#print.addEventListener('change', (event) => this.#lay(event.matches));
  }

  #lay(on: boolean) {
    themes.lay(on);
    flushSync(() => (this.on = on));
  }
}

export const paper = new Paper();
