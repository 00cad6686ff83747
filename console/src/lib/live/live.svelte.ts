// Changes for whoever on the page asks for them, and how fresh what is shown is.
//
// Not here: the connection (sse.ts). Invariant: a subscriber hears of every change after the
// revision its list was read at, or is told to read again.
import { Fault } from '../api/client';
import type { WatchEvent } from '../api/types';
import { session } from '../session.svelte';
import { Watch, type WatchState } from './sse';

export type Kind = WatchEvent['kind'];
interface Subscriber {
  kinds: readonly Kind[];
  onEvents: (events: WatchEvent[]) => void;
  onReset: () => void;
}

/** Links change with every packet; they come only where somebody asks for them. */
const ALWAYS: readonly Kind[] = [
  'asset',
  'asset-merged',
  'finding',
  'sensor',
  'capture',
  'run',
  'beat',
];
/** So often at most are subscribers called: a busy plant changes hundreds of rows a second. */
const TURN_MS = 400;

class Live {
  state = $state<WatchState>('stopped');
  /** When the stream last said anything, as milliseconds. */
  aliveAt = $state(0);
  /** Why the server has no place for this page, in its own words. */
  refused = $state<string | null>(null);
  #watch: Watch | null = null;
  #subscribers = new Set<Subscriber>();
  #waiting: WatchEvent[] = [];
  #turn: ReturnType<typeof setTimeout> | undefined;
  #aliveNoted = 0;
  #kinds = new Set<Kind>(ALWAYS);

  /** Starts from a list's revision; without one from now. */
  begin(revision: number | null) {
    if (this.#watch || !session.me) return;
    let unknown = revision === null;
    const watch: Watch = new Watch(
      {
        url: `/api/v1/watch?kinds=${[...this.#kinds].join(',')}`,
        onMessage: (message) => this.#take(message.data),
        onState: (state) => {
          if (this.#watch !== watch) return;
          this.state = state;
          if (state === 'live' || state === 'stopped') this.refused = null;
          // Started from no revision: what changed before the first word is read again.
          if (state === 'live' && unknown) this.#reset();
          if (state === 'live') unknown = false;
        },
        // Once it is live again, so that nothing lies between what is read and the stream.
        onReset: () => (unknown = true),
        onUnauthenticated: () => this.#signedInAgain(watch),
        onRefused: (why) => {
          if (this.#watch === watch) this.refused = why;
        },
        onAlive: () => this.#alive(),
      },
      revision,
    );
    this.#watch = watch;
    void watch.run();
  }

  end() {
    this.#watch?.stop();
    this.#watch = null;
    this.state = 'stopped';
    clearTimeout(this.#turn);
    this.#turn = undefined;
    this.#waiting = [];
    this.#kinds = new Set(ALWAYS);
  }

  subscribe(
    kinds: readonly Kind[],
    onEvents: (events: WatchEvent[]) => void,
    onReset: () => void = () => undefined,
  ): () => void {
    const subscriber = { kinds, onEvents, onReset };
    this.#subscribers.add(subscriber);
    if (kinds.some((kind) => !this.#kinds.has(kind))) {
      for (const kind of kinds) this.#kinds.add(kind);
      const last = this.#watch?.last ?? null;
      if (this.#watch) {
        this.#watch.stop();
        this.#watch = null;
        this.begin(last);
      }
    }
    return () => this.#subscribers.delete(subscriber);
  }

  /** Whether the stream may go on: its session has ended, and perhaps another has begun. */
  async #signedInAgain(watch: Watch): Promise<boolean> {
    const on = await session.renew().catch((error: unknown) => {
      return !(error instanceof Fault && error.status === 401);
    });
    if (!on && this.#watch === watch) this.end();
    return on;
  }

  #reset() {
    for (const subscriber of this.#subscribers) subscriber.onReset();
  }

  #take(data: string) {
    this.#waiting.push(JSON.parse(data) as WatchEvent);
    this.#turn ??= setTimeout(() => this.#give(), TURN_MS);
  }

  #give() {
    this.#turn = undefined;
    const events = this.#waiting;
    this.#waiting = [];
    for (const subscriber of this.#subscribers) {
      const wanted = events.filter((event) => subscriber.kinds.includes(event.kind));
      if (wanted.length > 0) subscriber.onEvents(wanted);
    }
  }

  #alive() {
    const now = Date.now();
    if (now - this.#aliveNoted < 1_000) return;
    this.#aliveNoted = now;
    this.aliveAt = now;
  }
}

export const live = new Live();
