import { describe, expect, it } from 'vitest';
import type { Drill, RetentionRules, VaultTarget } from './api/types';
import {
  drillSteps,
  aged,
  every,
  isState,
  ruleChanges,
  span,
  STATES,
  STATE_COLOUR,
  STATE_SAYS,
  STATE_TONE,
  targetWord,
} from './protection';

const target: VaultTarget = {
  address: 's3:https://store/plant',
  mode: 'compliance',
  tried_at: '2026-02-01T00:00:00Z',
  copied_at: '2026-02-01T00:00:00Z',
  entries: 2,
  snapshots: 1,
  objects: 12,
  bytes: 9,
  locked_until: '2026-03-01T00:00:00Z',
  held: false,
  covered: 0,
  missing: 0,
  gone: 0,
  notes: [],
  error: null,
};

describe('words of protection', () => {
  it('say spans as a person does', () => {
    expect([every(1), every(45), every(60), every(90), every(240), every(1_440), every(10_080)]).toEqual([
      'minute',
      '45 minutes',
      'hour',
      '90 minutes',
      '4 hours',
      'day',
      '7 days',
    ]);
    expect([1, 60, 120, 1_440].map(aged)).toEqual(['a minute', 'an hour', '2 hours', 'a day']);
  });

  it('say the worst of a copy in a store', () => {
    const word = (change: Partial<VaultTarget>) => targetWord({ ...target, ...change }, 2).name;
    expect(word({})).toBe('Whole');
    expect(word({ entries: 1 })).toBe('Behind');
    expect(word({ locked_until: null })).toBe('Not locked');
    expect(word({ missing: 1, locked_until: null })).toBe('Incomplete');
    expect(word({ error: 'no route', missing: 1 })).toBe('Failed');
    expect(word({ covered: 1, error: 'no route' })).toBe('Meddled with');
  });

  it('say what other rules would change', () => {
    const rules: RetentionRules = {
      keep_last: 3,
      keep_hourly: 0,
      keep_daily: 14,
      keep_weekly: 8,
      keep_monthly: 12,
      keep_yearly: 5,
      lock_days: 14,
      locked: false,
      undelete_days: 7,
      release_delay_hours: 72,
      lock_days_max: 3650,
      auto_forget: false,
    };
    const less = { ...rules, keep_daily: 7, lock_days: 1 };
    expect(ruleChanges(rules, less)).toEqual(['days 14 > 7', 'lock days 14 > 1']);
  });

  it('have a colour, a tone and a sentence for each state', () => {
    for (const state of STATES) {
      expect(STATE_COLOUR[state]).toMatch(/^var\(--/);
      expect(STATE_SAYS[state].length).toBeGreaterThan(10);
      expect(STATE_TONE[state]).toBeDefined();
    }
    expect(isState('late')).toBe(true);
    expect(isState('fine')).toBe(false);
  });
});

describe('a drill', () => {
  const planned = ['restore', 'wait_for', 'manual'].map((kind) => ({
    group: 'line',
    title: kind,
    kind,
  }));
  const record = {
    ...planned[0]!,
    started_ms: 0,
    ended_ms: 1_500,
    outcome: 'ok',
    detail: '2 files',
    by: [],
  };
  const drill: Drill = {
    id: 'd1',
    plan: 'line 4',
    attended: true,
    declared_at: '2026-01-01T00:00:00Z',
    planned,
    steps: [record],
    current: { ...planned[1]!, started_ms: 1_500 },
    waiting: null,
    ok: null,
    rto_ms: null,
    rto_target_ms: 60_000,
    rpo_ms: null,
    rpo_target_ms: null,
    canaries: [],
    snapshots: [],
    isolation: null,
    notes: [],
    log_entry: null,
  };

  it('shows what has been, what is and what is to come', () => {
    expect(drillSteps(drill).map((line) => line.state)).toEqual(['ok', 'running', 'pending']);
    const broken = { ...drill, current: null, ok: false };
    expect(drillSteps(broken).map((line) => line.state)).toEqual(['ok', 'skipped', 'skipped']);
  });

  it('says milliseconds as a person does', () => {
    expect([span(340), span(1_500), span(12_000), span(200_000)]).toEqual([
      '340 ms',
      '1.5 s',
      '12 s',
      '3 min',
    ]);
  });
});
