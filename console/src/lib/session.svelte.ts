// Who is signed in, and the one client of the API.
//
// Invariant: the CSRF value lives in memory only. A session ends when its person is idle: what the
// page reads by itself must not keep it alive, so it waits until somebody is there again.
import { untrack } from 'svelte';
import { Client, Fault } from './api/client';
import type { Me, UserRole } from './api/types';
import { AWAY_MS, Presence } from './presence';
import { router } from './router.svelte';
import { toasts } from './toasts.svelte';

const PASSWORD_PATH = '/api/v1/me:password';
const RANK: Record<UserRole, number> = { viewer: 0, analyst: 1, admin: 2 };

class Session {
  me = $state.raw<Me | null>(null);
  /** Until the first answer of `/me` nothing is known. */
  known = $state(false);
  ended = $state(false);
  readonly #presence = new Presence();
  /** A new session is asked for in place of this one; done when its answer is there. */
  #replaced: Promise<unknown> | null = null;
  #touched = Date.now();

  readonly api: Client = new Client({
    // Who reads something in an effect does not wait for who is signed in.
    csrf: () => untrack(() => this.me?.csrf ?? null),
    onUnauthenticated: (path, csrf) => this.#refused(path, csrf),
    renew: () => this.renew(),
  });

  constructor() {
    for (const kind of ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart']) {
      addEventListener(kind, () => this.#presence.seen(), { passive: true });
    }
    // Somebody turned to this tab.
    document.addEventListener('visibilitychange', () => document.hidden || this.#presence.seen());
    setInterval(() => void this.#touch(), 60_000);
  }

  /** What the page reads by itself: see there. */
  whenAttended(read: () => void) {
    this.#presence.whenAttended(read);
  }

  forget(read: () => void) {
    this.#presence.forget(read);
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
    this.#touched = Date.now();
    this.#presence.seen();
  }

  /**
   * One's own password. The session ends with the old one and another begins, so what the page
   * asks meanwhile is refused and asked again then.
   */
  async changePassword(current: string, password: string): Promise<void> {
    const change = this.api.post(PASSWORD_PATH, { current, password });
    const replaced = change.then(({ data }) => this.signedIn(data));
    this.#replaced = replaced.catch(() => undefined);
    try {
      await replaced;
    } finally {
      this.#replaced = null;
    }
  }

  /** Whether a request that was refused may be sent again, in a session that began meanwhile. */
  async #refused(path: string, csrf: string | null): Promise<boolean> {
    if (path !== PASSWORD_PATH) {
      await this.#replaced;
      if (this.me && this.me.csrf !== csrf) return true;
    }
    this.lost();
    return false;
  }

  /** Nobody is told that they are signed out while their session goes on. */
  async signOut(): Promise<void> {
    if (!router.leaves()) return;
    try {
      await this.api.delete('/api/v1/session');
    } catch (error) {
      // Without a session there is nothing to end.
      if (!(error instanceof Fault && error.status === 401)) {
        toasts.failed('Not signed out', error);
        return;
      }
    }
    this.me = null;
    this.ended = false;
    router.blocker = null;
    router.go('/sign-in');
  }

  /**
   * Another tab may have signed in anew: its session is the cookie's now, with a value of its own.
   * False when it is somebody else's; then the page begins anew, as theirs.
   */
  async renew(): Promise<boolean> {
    const { data } = await this.api.get('/api/v1/me');
    const { me } = this;
    // Signed out meanwhile.
    if (!me) return false;
    if (me.user !== data.user) {
      router.blocker = null;
      location.reload();
      return false;
    }
    // The same again would wake everything that shows it.
    if (me.csrf !== data.csrf || me.role !== data.role) this.me = data;
    return true;
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
    if (!this.me || !this.#presence.attended || Date.now() - this.#touched < AWAY_MS) return;
    this.#touched = Date.now();
    try {
      await this.renew();
    } catch {
      // A lost session has been dealt with; a lost server shows in the live state.
    }
  }
}

export const session = new Session();
export const api = session.api;
