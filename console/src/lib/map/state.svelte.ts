// The map's data and choices for its components: loaded, kept live, arranged into a scene.
// Not here: the canvas. Invariant: a change of the plant is never lost between the list and the
// stream: rows that come while the graph is read wait for it.

import { readAgain } from '../live/again';
import { live } from '../live/live.svelte';
import type { WatchEvent } from '../api/types';
import { api, session } from '../session.svelte';
import { addressOf, queryOf, type Address } from './address';
import { arranged, type Arranged } from './arrange';
import type { Filter } from './filter';
import { LiveGraph, pairOf, type Changes } from './live';
import { graphOf, type MapEdge, type MapNode } from './model';
import type { Scene } from './scene';

/** A merged link takes what it held out of one line into another: the lines are read again. */
const AGAIN_MS = 3_000;

/** After a failure it is tried again so much later. */
const RETRY_MS = 15_000;

/** So often at most is a map of so many assets made anew while rows change. */
const rebuildMs = (assets: number): number => 1_000 + assets * 1.5;

export interface Shown {
  scene: Scene;
  /** What changed since the scene before; null when it is another picture altogether. */
  changes: Changes | null;
}

export class MapState {
  shown = $state.raw<Shown | null>(null);
  failure = $state.raw<unknown>(null);
  truncated = $state(false);
  total = $state(0);
  zones = $state.raw<ReadonlyMap<string, string>>(new Map());
  /** Of the whole graph, for the filters. */
  all = $state.raw<{ nodes: MapNode[]; edges: MapEdge[] }>({ nodes: [], edges: [] });
  address: Address = addressOf(new URLSearchParams());
  /** Told of pairs that spoke: client, server. */
  onSpoke: (pairs: [string, string][]) => void = () => undefined;
  private graph: LiveGraph | null = null;
  private waiting: WatchEvent[] = [];
  private last: Arranged | null = null;
  private tall = false;
  private builtAt = 0;
  private due: ReturnType<typeof setTimeout> | undefined;
  private unsubscribe: (() => void) | null = null;
  private reading = false;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private readonly again = () => void this.load(this.shown !== null);
  private zonesRead: Promise<void> | null = null;
  /** Zones that were not there: each is asked for once. */
  private readonly missed = new Set<string>();
  /** Somebody asked while it was being read. */
  private wanted = false;

  start(): () => void {
    this.unsubscribe = live.subscribe(
      ['asset', 'asset-merged', 'link'],
      (events) => this.take(events),
      () => void this.load(this.shown !== null),
    );
    const stop = readAgain(['link-merged'], AGAIN_MS, () => this.load(true));
    void this.load();
    return () => {
      stop();
      clearTimeout(this.retry);
      session.forget(this.again);
      this.unsubscribe?.();
      this.unsubscribe = null;
      clearTimeout(this.due);
    };
  }

  /**
   * `again`: the picture stays, and what is new is put into it. A graph of 50,000 links takes
   * seconds to read: who asks meanwhile gets what is under way, and then a new one.
   */
  async load(again = false): Promise<void> {
    if (this.reading) {
      this.wanted = true;
      return;
    }
    this.reading = true;
    await this.read(again);
    this.reading = false;
    if (!this.wanted || !this.unsubscribe) return;
    this.wanted = false;
    await this.load(this.shown !== null);
  }

  private async read(again: boolean): Promise<void> {
    clearTimeout(this.retry);
    try {
      const [map] = await Promise.all([api.get('/api/v1/map'), this.readZones()]);
      this.graph = new LiveGraph(graphOf(map.data));
      this.truncated = map.data.truncated;
      live.begin(map.data.revision);
      for (const event of this.waiting) this.apply(event);
      this.graph.taken();
      this.failure = null;
      this.rebuild(again ? this.graph.whole() : null);
    } catch (error) {
      // The picture that is there stays, and goes on changing.
      if (this.shown === null) this.failure = error;
      if (this.unsubscribe)
        this.retry = setTimeout(() => session.whenAttended(this.again), RETRY_MS);
    } finally {
      this.waiting = [];
    }
  }

  /** Zones that the site has by now. */
  private readZones(): Promise<void> {
    this.zonesRead ??= api
      .get('/api/v1/zones')
      .then((answer) => {
        this.zones = new Map(answer.data.items.map((zone) => [zone.id, zone.name]));
      })
      .finally(() => (this.zonesRead = null));
    return this.zonesRead;
  }

  choose(address: Address): void {
    const before = this.address;
    this.address = address;
    const same =
      before.by === address.by &&
      before.hide === address.hide &&
      before.around === address.around &&
      JSON.stringify(queryOf(before.filter)) === JSON.stringify(queryOf(address.filter));
    if (!same && this.graph) this.rebuild(null);
  }

  /** The screen is higher than wide. */
  turn(tall: boolean): void {
    if (tall === this.tall) return;
    this.tall = tall;
    if (this.graph) this.rebuild(null);
  }

  private take(events: WatchEvent[]): void {
    // Those that come while it is read may be newer than the answer.
    if (this.reading) this.waiting.push(...events);
    if (!this.graph) return;
    for (const event of events) this.apply(event);
    if (!this.graph.pending || this.due !== undefined) return;
    const wait = Math.max(0, this.builtAt + rebuildMs(this.total) - performance.now());
    this.due = setTimeout(() => this.catchUp(), wait);
  }

  private apply(event: WatchEvent): void {
    if (event.kind === 'asset') {
      this.graph?.asset(event.row);
      if (event.row.zone !== null) this.name(event.row.zone);
    } else if (event.kind === 'asset-merged') this.graph?.merged(event.row.id, event.row.into);
    else if (event.kind === 'link') this.graph?.link(event.row);
  }

  /** A zone that was made since the zones were read gets its name. */
  private name(zone: string): void {
    if (this.zones.has(zone) || this.missed.has(zone)) return;
    this.missed.add(zone);
    this.readZones().then(
      () => this.graph && this.rebuild(this.graph.whole()),
      // The map is right but for a name, and says dots where it would stand.
      () => this.missed.delete(zone),
    );
  }

  private catchUp(): void {
    this.due = undefined;
    const changes = this.graph?.taken();
    if (!changes) return;
    const looks = changes.moved || changes.assets.size > 0 || changes.pairs.size > 0;
    if (looks) this.rebuild(changes);
    if (changes.spoke.length > 0) this.onSpoke(changes.spoke);
  }

  private rebuild(changes: Changes | null): void {
    if (!this.graph) return;
    const { nodes, edges } = this.graph.snapshot();
    this.all = { nodes, edges };
    this.total = nodes.length;
    const last = this.last;
    const { address, zones, tall } = this;
    this.last = arranged(nodes, edges, address, zones, tall, last);
    this.builtAt = performance.now();
    // Laid out anew it is another picture, which has to be looked at as a whole.
    const again =
      last !== null && last.planned === this.last.planned && last.mode === this.last.mode;
    this.shown = { scene: this.last.scene, changes: again ? changes : null };
  }
}

/** Index of a pair's link in a scene. */
export function pairIndex(scene: Scene): Map<string, number> {
  return new Map(scene.edges.map((edge, at) => [pairOf(edge.a, edge.b), at]));
}

export const without = (filter: Filter, part: keyof Filter): Filter => ({
  ...filter,
  [part]: part === 'severity' ? 0 : part === 'window' ? null : new Set<string>(),
});
