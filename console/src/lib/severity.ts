// The order, words and shapes of severity; shapes tell it without colour.
import type { FindingStatus, Severity } from './api/types';

/** Worst first. */
export const SEVERITIES: readonly Severity[] = ['critical', 'high', 'medium', 'low', 'info'];

export const STATUSES: readonly FindingStatus[] = [
  'open',
  'acknowledged',
  'in-progress',
  'resolved',
  'accepted',
  'false-positive',
];

export function severityRank(severity: Severity | null): number {
  return severity === null ? SEVERITIES.length : SEVERITIES.indexOf(severity);
}

export function isClosed(status: FindingStatus): boolean {
  return status === 'resolved' || status === 'accepted' || status === 'false-positive';
}

/** Outline and mark in a square of 16: octagon, triangle, diamond, circle, dot. */
export const SHAPES: Record<Severity, { outline: string; mark: string }> = {
  critical: {
    outline: 'M5.2 1.5h5.6l3.7 3.7v5.6l-3.7 3.7H5.2l-3.7-3.7V5.2z',
    mark: 'M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8',
  },
  high: { outline: 'M8 1.8 15 14H1z', mark: 'M8 6.2v3.6M8 11.9v.1' },
  medium: { outline: 'M8 1.2 14.8 8 8 14.8 1.2 8z', mark: 'M8 5v3.6M8 10.9v.1' },
  low: { outline: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2z', mark: 'M5.4 8h5.2' },
  info: { outline: 'M8 4.8a3.2 3.2 0 1 1 0 6.4 3.2 3.2 0 0 1 0-6.4z', mark: '' },
};
