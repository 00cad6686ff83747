// Zones by id, read once and again when they were changed here: rows name their zone by id only.
import type { Zone } from './api/types';
import { api } from './session.svelte';

class Zones {
  list = $state.raw<Zone[]>([]);
  names = $derived(new Map(this.list.map((zone) => [zone.id, zone.name])));
  #read: Promise<void> | null = null;

  /** Reads them unless somebody has. */
  async want(): Promise<void> {
    this.#read ??= this.again();
    await this.#read;
  }

  async again(): Promise<void> {
    try {
      this.list = (await api.get('/api/v1/zones')).data.items;
    } catch {
      // Ids stand where names would; the next page asks again.
      this.#read = null;
    }
  }
}

export const zones = new Zones();
