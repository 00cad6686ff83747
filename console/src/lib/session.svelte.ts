// Who is signed in, and the one client of the API.
//
// Invariant: the CSRF value lives in memory only. A session ends when its person is idle: what the
// page reads by itself must not keep it alive, so background reads ask `attended` first.
import { Client } from './api/client';
import type { Me, UserRole } from './api/types';
import { router } from './router.svelte';

const RANK: Record<UserRole, number> = { viewer: 0, analyst: 1, admin: 2 };

class Session {
  me = $state.raw<Me | null>(null);
  /** Until the first answer of `/me` nothing is known. */
  known = $state(false);
  ended = $state(false);
  #active = Date.now();
  #touched = Date.now();

  readonly api: Client = new Client({
    csrf: () => this.me?.csrf ?? null,
    onUnauthenticated: () => this.lost(),
  });

  constructor() {
    for (const kind of ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart']) {
      addEventListener(kind, () => (this.#active = Date.now()), { passive: true });
    }
    setInterval(() => void this.#touch(), 60_000);
  }

  /** Somebody is there: used the page within the last four minutes. */
  get attended(): boolean {
    return Date.now() - this.#active < 240_000;
  }

  can(role: UserRole): boolean {
    return this.me !== null && RANK[this.me.role] >= RANK[role];
  }

  async start(): Promise<void> {
    try {
      this.me = (await this.api.get('/api/v1/me')).data;
    } catch (error) {
      // 401 has sent us to the sign-in page; other failures show there as well.
      if (!this.known) this.lost(false);
      throw error;
    } finally {
      this.known = true;
    }
  }

  signedIn(me: Me) {
    this.me = me;
    this.ended = false;
    this.known = true;
    this.#active = this.#touched = Date.now();
  }

  async signOut(): Promise<void> {
    try {
      await this.api.delete('/api/v1/session');
    } finally {
      this.me = null;
      this.ended = false;
      router.go('/sign-in');
    }
  }

  /** To the sign-in page, and back here after it. */
  lost(ended = this.me !== null) {
    this.me = null;
    this.ended = ended;
    if (router.path === '/sign-in' || router.path === '/welcome') return;
    const back = router.here;
    router.blocker = null;
    router.go(back === '/' ? '/sign-in' : `/sign-in?return=${encodeURIComponent(back)}`, {
      replace: true,
    });
  }

  /** Reading a long page is being there too. */
  async #touch() {
    if (!this.me || !this.attended || Date.now() - this.#touched < 240_000) return;
    this.#touched = Date.now();
    try {
      await this.api.get('/api/v1/me');
    } catch {
      // A lost session has been dealt with; a lost server shows in the live state.
    }
  }
}

export const session = new Session();
export const api = session.api;
