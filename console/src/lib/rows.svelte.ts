// A list as it grows: pages by cursor, rows that change in place, new rows that wait to be shown.
//
// Not here: drawing. Invariant: what a person looks at does not move under the hand: changed rows
// change where they stand, new ones wait for a word unless the list stands at its top.
import type { Count } from './api/types';
import { live } from './live/live.svelte';
import { session } from './session.svelte';

export interface Row {
  id: string;
  revision: number;
}

export interface Asked {
  filter: string;
  sort: string;
  cursor: string | null;
  limit: number;
  signal: AbortSignal;
}

export interface PageOf<T> {
  items: T[];
  next_cursor: string | null;
  revision?: number;
  facets?: Record<string, Count[]>;
}

/** A list somebody left, to come back to as it was. */
interface Left {
  rows: readonly Row[];
  next: string | null;
  facets: Record<string, Count[]>;
  scrolled: number;
  at: string | null;
}
const left = new Map<string, Left>();
const LEFT_MAX = 4;

export const PAGE_ROWS = 100;
/** Rows of one answer at most. */
const ANSWER_ROWS_MAX = 1_000;
/** A list that is left and come back to within this time is still there. */
const SOON_MS = 6_000;
/** So often when rows changed that the list does not show: most do not belong to it. */
const SOME_TIME_MS = 30_000;
/** Longer lists look for new rows on their first page only. */
const LOOK_ROWS_MAX = 300;

/** The rows with newer states of those that are among them. */
export function replaced<T extends Row>(rows: readonly T[], changed: readonly T[]): T[] {
  const newest = new Map(changed.map((row) => [row.id, row]));
  return rows.map((row) => {
    const other = newest.get(row.id);
    return other && other.revision > row.revision ? other : row;
  });
}

/** What was read again, and of the rows shown before those that come after it. */
export function joined<T extends Row>(read: readonly T[], shown: readonly T[]): T[] {
  const known = new Set(read.map((row) => row.id));
  const last = shown.findLastIndex((row) => row.id === read.at(-1)?.id);
  const from = last < 0 ? read.length : Math.min(last + 1, read.length);
  return [...read, ...shown.slice(from).filter((row) => !known.has(row.id))];
}

export class Rows<T extends Row> {
  rows = $state.raw<T[]>([]);
  next = $state.raw<string | null>(null);
  facets = $state.raw<Record<string, Count[]>>({});
  loading = $state(false);
  /** Something is asked, and its answer has not come: the rows are those of before. */
  asking = $state(false);
  /** The first answer has come. */
  ready = $state(false);
  error = $state.raw<unknown>(null);
  /** Id of the row the keys stand on. */
  at = $state<string | null>(null);
  /** Rows that are there and not shown. */
  waiting = $state(0);
  /** True while new rows may appear by themselves. */
  calm: () => boolean = () => true;

  #filter = '';
  #sort = '';
  #request: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lookAt = 0;
  readonly #due = () => void this.#look();
  readonly #fetch: (asked: Asked) => Promise<PageOf<T>>;
  readonly #isNew: (row: T) => boolean;

  /** `isNew` says of a row the list does not have whether it has only just come to be. */
  constructor(
    fetchPage: (asked: Asked) => Promise<PageOf<T>>,
    isNew: (row: T) => boolean = () => true,
  ) {
    this.#fetch = fetchPage;
    this.#isNew = isNew;
  }

  /** Another question: the rows of the last one stay until its answer is there. */
  async load(filter: string, sort: string, rows = PAGE_ROWS): Promise<void> {
    this.#filter = filter;
    this.#sort = sort;
    await this.#first(rows);
  }

  /** Keeps the list under its address for when somebody comes back. */
  leave(address: string, scrolled: number) {
    left.delete(address);
    if (!this.ready) return;
    const { rows, next, facets, at } = this;
    left.set(address, { rows, next, facets, scrolled, at });
    const oldest = left.keys().next().value;
    if (left.size > LEFT_MAX && oldest !== undefined) left.delete(oldest);
  }

  /** Shows the list as it was left until the new answer is there; where it was scrolled to. */
  comeBack(address: string): number {
    const was = left.get(address);
    if (!was) return 0;
    this.rows = was.rows as T[];
    this.next = was.next;
    this.facets = was.facets;
    this.at = was.at;
    this.ready = true;
    return was.scrolled;
  }

  /** Reads as many rows as are shown. */
  async again(): Promise<void> {
    await this.#first(Math.max(PAGE_ROWS, this.rows.length));
  }

  async more(): Promise<void> {
    if (this.next === null || this.loading) return;
    const page = await this.#page(this.next, PAGE_ROWS);
    if (!page) return;
    const known = new Set(this.rows.map((row) => row.id));
    this.rows = [...this.rows, ...page.items.filter((row) => !known.has(row.id))];
    this.next = page.next_cursor;
  }

  /** Rows from the stream of changes. */
  take(changed: T[], gone: readonly string[] = []) {
    if (!this.ready) return;
    const known = new Set(this.rows.map((row) => row.id));
    this.rows = replaced(this.rows, changed).filter((row) => !gone.includes(row.id));
    const others = changed.filter((row) => !known.has(row.id));
    if (others.some((row) => this.#isNew(row))) this.soon();
    else if (others.length > 0) this.soon(SOME_TIME_MS);
  }

  /** Looks for new rows in a while. */
  soon(ms = SOON_MS) {
    const at = Date.now() + ms;
    if (this.#timer !== undefined && at >= this.#lookAt) return;
    clearTimeout(this.#timer);
    this.#lookAt = at;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      session.whenAttended(this.#due);
    }, ms);
  }

  stop() {
    this.#request?.abort();
    clearTimeout(this.#timer);
    session.forget(this.#due);
    this.#timer = undefined;
  }

  /** Where more rows were shown than one answer holds, they stay until they are read again. */
  async #first(rows: number) {
    this.asking = true;
    const page = await this.#page(null, Math.min(ANSWER_ROWS_MAX, rows));
    // Another question may have taken its place.
    this.asking = this.loading;
    if (!page) return;
    const goesOn = rows > ANSWER_ROWS_MAX && page.next_cursor !== null;
    this.#show(goesOn ? { ...page, items: joined(page.items, this.rows) } : page);
    live.begin(page.revision ?? null);
    if (goesOn) await this.#rest(page.items, rows);
  }

  /** Reads the rows after these, up to so many in all. */
  async #rest(first: T[], rows: number) {
    let read = first;
    while (this.next !== null && read.length < rows) {
      const page = await this.#page(this.next, Math.min(ANSWER_ROWS_MAX, rows - read.length));
      if (!page) return;
      const known = new Set(read.map((row) => row.id));
      const others = page.items.filter((row) => !known.has(row.id));
      // Those that were read have changed or gone meanwhile.
      read = [...this.rows.filter((row) => known.has(row.id)), ...replaced(others, this.rows)];
      this.next = page.next_cursor;
      const done = this.next === null || read.length >= rows;
      this.rows = done ? read : joined(read, this.rows);
    }
  }

  #show(page: PageOf<T>) {
    this.rows = page.items;
    this.next = page.next_cursor;
    this.facets = page.facets ?? {};
    this.waiting = 0;
  }

  /** Reads the list again; shows it or only says how many are new. */
  async #look() {
    if (this.loading) return;
    const shown = this.rows.length > LOOK_ROWS_MAX ? 0 : this.rows.length;
    const page = await this.#page(null, Math.max(PAGE_ROWS, shown));
    if (!page) return;
    const known = new Set(this.rows.map((row) => row.id));
    const fresh = page.items.filter((row) => !known.has(row.id)).length;
    this.facets = page.facets ?? {};
    if (fresh === 0) {
      this.rows = replaced(this.rows, page.items);
      this.waiting = 0;
    } else if (this.calm()) this.#show(page);
    else this.waiting = fresh;
  }

  async #page(cursor: string | null, limit: number): Promise<PageOf<T> | null> {
    this.#request?.abort();
    const request = new AbortController();
    this.#request = request;
    this.loading = true;
    try {
      const asked = { filter: this.#filter, sort: this.#sort, cursor, limit };
      const page = await this.#fetch({ ...asked, signal: request.signal });
      if (this.#request !== request) return null;
      this.error = null;
      this.ready = true;
      return page;
    } catch (error) {
      if (this.#request === request && !request.signal.aborted) this.error = error;
      return null;
    } finally {
      if (this.#request === request) this.loading = false;
    }
  }
}
