// Zones by id, read once and again when they were changed here: rows name their zone by id only.
import type { Zone } from './api/types';
import { api } from './session.svelte';

class Zones {
  list = $state.raw<Zone[]>([]);
  names = $derived(new Map(this.list.map((zone) => [zone.id, zone.name])));
  #read: Promise<void> | null = null;
  /** Ids that were not among them: each is asked for once. */
  readonly #missed = new Set<string>();

  /** Its name; a few dots while it is not known, for nobody can read an id. */
  nameOf(id: string): string {
    const name = this.names.get(id);
    if (name !== undefined) return name;
    if (this.#read !== null && !this.#missed.has(id)) {
      this.#missed.add(id);
      // Somebody else made it since they were read.
      void this.#read.then(() => (this.names.has(id) ? undefined : this.again()));
    }
    return '…';
  }

  /** Reads them unless somebody has. */
  async want(): Promise<void> {
    this.#read ??= this.again();
    await this.#read;
  }

  async again(): Promise<void> {
    try {
      this.list = (await api.get('/api/v1/zones')).data.items;
    } catch {
      // Dots stand where names would; the next page asks again.
      this.#read = null;
    }
  }
}

export const zones = new Zones();
