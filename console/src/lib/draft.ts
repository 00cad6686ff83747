// Words that are being written, kept in this tab only until they are saved or given up.
//
// A session that ends takes its page with it; whoever signs in again finds what was written. Not
// here: what becomes of them. Invariant: only who wrote them gets them back.
import { session } from './session.svelte';

export interface Draft {
  text: string;
  /** What writing began from. */
  from: string;
}

const key = (what: string) => `spandrel.draft.${session.me?.user ?? ''}.${what}`;

export function draftOf(what: string): Draft | null {
  try {
    const stored: unknown = JSON.parse(sessionStorage.getItem(key(what)) ?? 'null');
    if (typeof stored !== 'object' || stored === null) return null;
    const { text, from } = stored as Partial<Draft>;
    return typeof text === 'string' && typeof from === 'string' ? { text, from } : null;
  } catch {
    // No storage, or not ours.
    return null;
  }
}

/** Null: there is nothing that could be lost. */
export function keepDraft(what: string, draft: Draft | null) {
  // The session is over: what was kept while it lasted stays.
  if (!session.me) return;
  try {
    if (draft) sessionStorage.setItem(key(what), JSON.stringify(draft));
    else sessionStorage.removeItem(key(what));
  } catch {
    // It holds for this page only.
  }
}
