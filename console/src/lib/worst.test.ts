// Tests of what stands on the overview.
import { describe, expect, it } from 'vitest';
import type { Severity } from './api/types';
import { worst } from './worst';

const finding = (detector: string, severity: Severity, minute: number) => ({
  detector,
  severity,
  last_seen: `2026-11-27T10:${String(minute).padStart(2, '0')}:00Z`,
});

describe('worst', () => {
  it('shows a kind before a second one of a worse kind', () => {
    const scans = [1, 2, 3, 4].map((minute) => finding('scan', 'high', minute));
    const stop = finding('controller-stop', 'medium', 0);
    const open = new Map([
      ['scan', 12],
      ['controller-stop', 1],
    ]);
    const lines = worst([...scans, stop], open, 3);
    expect(lines.map(({ finding: { detector, last_seen } }) => `${detector} ${last_seen}`)).toEqual([
      'scan 2026-11-27T10:04:00Z',
      'scan 2026-11-27T10:03:00Z',
      'controller-stop 2026-11-27T10:00:00Z',
    ]);
    expect(lines.map(({ more }) => more)).toEqual([0, 10, 0]);
  });

  it('leaves out the mildest kinds where there are more than lines', () => {
    const kinds = [finding('a', 'low', 9), finding('b', 'critical', 1), finding('c', 'high', 1)];
    const lines = worst(kinds, new Map(), 2);
    expect(lines.map(({ finding: { detector } }) => detector)).toEqual(['b', 'c']);
    expect(worst([], new Map(), 2)).toEqual([]);
  });
});
