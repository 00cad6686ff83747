// Whether somebody is there, and what waits until somebody is.
//
// Not here: how that is noticed. Invariant: what was put off is done once when somebody comes back,
// however often it was asked for.

/** Nobody touched anything for so long: nobody is there. */
export const AWAY_MS = 240_000;

export class Presence {
  readonly #now: () => number;
  #active: number;
  readonly #due = new Set<() => void>();

  constructor(now: () => number = Date.now) {
    this.#now = now;
    this.#active = now();
  }

  get attended(): boolean {
    return this.#now() - this.#active < AWAY_MS;
  }

  /** Somebody did something. */
  seen() {
    this.#active = this.#now();
    if (this.#due.size === 0) return;
    const due = [...this.#due];
    this.#due.clear();
    for (const read of due) read();
  }

  /** At once while somebody is there, else as soon as somebody is. */
  whenAttended(read: () => void) {
    if (this.attended) read();
    else this.#due.add(read);
  }

  /** It is not wanted any more. */
  forget(read: () => void) {
    this.#due.delete(read);
  }
}
