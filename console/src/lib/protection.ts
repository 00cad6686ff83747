// The words of protection: states of coverage and runs, their colours, and spans of time.
import type { CoverageRow, Run } from './api/types';
import { words } from './format';

/** Worst first: what was promised and is not kept stands before what nobody promised. */
export const STATES = ['failing', 'late', 'partial', 'waiting', 'unprotected', 'protected'] as const;
export type State = (typeof STATES)[number];

export const STATE_TONE: Record<State, string> = {
  failing: 'bad',
  late: 'bad',
  partial: 'warn',
  waiting: 'accent',
  unprotected: '',
  protected: 'ok',
};

export const STATE_COLOUR: Record<State, string> = {
  failing: 'var(--critical)',
  late: 'var(--high)',
  partial: 'var(--medium)',
  waiting: 'var(--low)',
  unprotected: 'var(--line-strong)',
  protected: 'var(--ok)',
};

export const STATE_SAYS: Record<State, string> = {
  failing: 'A plan covers it and no backup ever succeeded',
  late: 'The newest complete backup is older than its plan allows',
  partial: 'The newest backup lacks something',
  waiting: 'Its first backup is due',
  unprotected: 'No plan covers it, or nothing can be backed up from it',
  protected: 'A complete backup that is fresh enough',
};

export function isState(word: string): word is State {
  return (STATES as readonly string[]).includes(word);
}

export function toneOf(row: Pick<CoverageRow, 'state'>): string {
  return isState(row.state) ? STATE_TONE[row.state] : '';
}

export const RUN_TONE: Record<Run['state'], string> = {
  queued: '',
  running: 'accent',
  complete: 'ok',
  partial: 'warn',
  failed: 'bad',
  cancelled: '',
};

const CAUSES: Record<string, string> = {
  schedule: 'by its plan',
  change: 'after a change',
  retry: 'again after a failure',
  sample: 'daily sample',
  person: 'asked for',
};

export function causeOf(run: Run): string {
  const daily = run.cause === 'schedule' && run.plan === null;
  const cause = daily ? 'once a day' : (CAUSES[run.cause] ?? run.cause);
  return run.actor ? `${cause} by ${run.actor}` : cause;
}

export function kindOf(run: Run): string {
  if (run.kind === 'verify') return `Verify level ${run.level ?? '?'}`;
  if (run.kind === 'forget') return 'Clean up';
  if (run.kind === 'kit') return 'Restore kit';
  return words(run.kind);
}

export function isOpen(run: Run): boolean {
  return run.state === 'queued' || run.state === 'running';
}

/** Minutes as a person says them. */
export function every(minutes: number): string {
  const units: [number, string, string][] = [
    [1_440, 'day', 'days'],
    [60, 'hour', 'hours'],
    [1, 'minute', 'minutes'],
  ];
  for (const [size, one, many] of units) {
    if (minutes >= size && minutes % size === 0) {
      const count = minutes / size;
      return count === 1 ? one : `${count} ${many}`;
    }
  }
  return `${minutes} minutes`;
}

/** The first digits of a snapshot's id, as restic shows them. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}
