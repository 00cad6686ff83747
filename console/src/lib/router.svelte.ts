// Where we are: path, parameters, query; and going elsewhere without loading the page anew.
//
// Not here: what a page shows. Invariant: the address bar is the state; every view can be linked.
import { tick } from 'svelte';

export interface Match {
  pattern: string;
  params: Record<string, string>;
}

/** Compares a path with `/assets/:id`-like patterns; the first that fits wins. */
export function match(patterns: readonly string[], path: string): Match | null {
  const parts = split(path);
  for (const pattern of patterns) {
    const wanted = split(pattern);
    if (wanted.length !== parts.length) continue;
    const params: Record<string, string> = {};
    const fits = wanted.every((word, index) => {
      const part = parts[index] ?? '';
      if (!word.startsWith(':')) return word === part;
      const value = decoded(part);
      if (value === null) return false;
      params[word.slice(1)] = value;
      return true;
    });
    if (fits) return { pattern, params };
  }
  return null;
}

function split(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}

function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** A path of ours to return to; anything else is the first page. */
export function returnPath(wanted: string | null): string {
  if (!wanted || !wanted.startsWith('/') || wanted.startsWith('//')) return '/';
  if (/[\\\x00-\x1f]/.test(wanted)) return '/';
  return /^\/(sign-in|welcome|api)\b/.test(wanted) ? '/' : wanted;
}

class Router {
  path = $state(location.pathname);
  query = $state.raw(new URLSearchParams(location.search));
  /** Pages ask here before unsaved words are lost. */
  blocker: (() => boolean) | null = null;

  constructor() {
    addEventListener('popstate', () => {
      // The address has changed already: it is put back.
      if (this.#leaves(location.pathname)) this.#read();
      else history.pushState(null, '', this.here);
    });
    addEventListener('beforeunload', (event) => {
      if (this.blocker) event.preventDefault();
    });
    document.addEventListener('click', (event) => this.#click(event));
  }

  /** Asks the page whether it may be left. */
  leaves(): boolean {
    return !this.blocker || this.blocker();
  }

  /** The same where another page comes, which then is not asked. */
  #leaves(path: string): boolean {
    if (path === this.path) return true;
    if (!this.leaves()) return false;
    this.blocker = null;
    return true;
  }

  go(to: string, options: { replace?: boolean } = {}) {
    const url = new URL(to, location.href);
    if (!this.#leaves(url.pathname)) return;
    const before = location.pathname;
    if (options.replace) history.replaceState(null, '', url);
    else if (url.href !== location.href) history.pushState(null, '', url);
    this.#read();
    if (url.pathname !== before) void this.#top();
  }

  /** Changes some values of the query; null and empty ones go. */
  ask(values: Record<string, string | null>, options: { replace?: boolean } = { replace: true }) {
    const query = new URLSearchParams(this.query);
    for (const [name, value] of Object.entries(values)) {
      if (value === null || value === '') query.delete(name);
      else query.set(name, value);
    }
    const text = query.toString();
    this.go(text ? `${this.path}?${text}` : this.path, options);
  }

  get here(): string {
    const text = this.query.toString();
    return text ? `${this.path}?${text}` : this.path;
  }

  #read() {
    this.path = location.pathname;
    const query = new URLSearchParams(location.search);
    if (query.toString() !== this.query.toString()) this.query = query;
  }

  /** The next page begins at its top, for keys as well: what had the focus led here, or is gone. */
  async #top() {
    await tick();
    const main = document.getElementById('main');
    main?.scrollTo(0, 0);
    const at = document.activeElement;
    if (!at || at === document.body || at.closest('nav')) main?.focus({ preventScroll: true });
  }

  #click(event: MouseEvent) {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const target = event.target instanceof Element ? event.target.closest('a') : null;
    if (!target || target.target || target.hasAttribute('download')) return;
    const url = new URL(target.href, location.href);
    if (url.origin !== location.origin || url.pathname.startsWith('/api/')) return;
    if (url.pathname === location.pathname && url.hash) return;
    event.preventDefault();
    this.go(url.pathname + url.search + url.hash);
  }
}

export const router = new Router();
