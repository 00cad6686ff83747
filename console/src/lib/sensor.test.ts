import { describe, expect, it } from 'vitest';
import { heldOf, missingOf } from './sensor';

const since = '2026-01-01T02:00:00Z';
const reason = 'no space left';

describe('what a full disk keeps from a sensor', () => {
  it('says where it waits and what is gone', () => {
    const held = (waiting: number | null, lost: number) => heldOf({ since, reason, waiting, lost });
    expect(held(null, 0)).toBe('Its reports wait in its spool.');
    expect(held(1, 0)).toBe('1 report is held in memory, none is lost.');
    expect(held(340, 12)).toBe('340 reports are held in memory, 12 reports found no room.');
  });

  it('says afterwards what is missing', () => {
    const gap = { from: since, until: since, reason };
    expect(missingOf({ ...gap, late: 340, lost: 12 })).toBe('12 reports not kept, 340 saved late');
    expect(missingOf({ ...gap, late: null, lost: null })).toBe('only the outcome is known');
  });
});
