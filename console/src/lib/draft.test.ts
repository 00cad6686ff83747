import { beforeEach, expect, test, vi } from 'vitest';

const session = vi.hoisted(() => ({ me: null as { user: string } | null }));
vi.mock('./session.svelte', () => ({ session }));
const { draftOf, keepDraft } = await import('./draft');

const stored = new Map<string, string>();
vi.stubGlobal('sessionStorage', {
  getItem: (key: string) => stored.get(key) ?? null,
  setItem: (key: string, value: string) => stored.set(key, value),
  removeItem: (key: string) => stored.delete(key),
});
beforeEach(() => {
  stored.clear();
  session.me = { user: 'anna' };
});
const DRAFT = { text: 'the drive was', from: '' };

test('what was written is there again after the session ended, for who wrote it', () => {
  keepDraft('note.1', DRAFT);
  session.me = null;
  keepDraft('note.1', null);
  session.me = { user: 'ben' };
  expect(draftOf('note.1')).toBeNull();
  session.me = { user: 'anna' };
  expect(draftOf('note.1')).toEqual(DRAFT);
  expect(draftOf('note.2')).toBeNull();
});

test('what is saved or given up is gone, and what is not ours is nothing', () => {
  keepDraft('note.1', DRAFT);
  keepDraft('note.1', null);
  expect(draftOf('note.1')).toBeNull();
  for (const text of ['7', '{"text":1,"from":""}', '{']) {
    stored.set('spandrel.draft.anna.note.1', text);
    expect(draftOf('note.1')).toBeNull();
  }
});
