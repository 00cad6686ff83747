// The words of protection: states of coverage and runs, their colours, and spans of time.
import type { CoverageRow, Drill, RetentionRules, Run, VaultTarget } from './api/types';
import { duration, words } from './format';

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

/** How copies stand. */
export const COPY_TONE: Record<string, string> = {
  whole: 'ok',
  attention: 'warn',
  late: 'bad',
  failing: 'bad',
  waiting: 'accent',
};

/** How agents stand. */
export const AGENT_TONE: Record<string, string> = {
  active: 'ok',
  invited: 'accent',
  silent: 'warn',
};

/** Where a snapshot can be looked into here; an agent's is in a vault whose key is on its host. */
export function snapshotPage(row: { snapshot: string | null; agent: string | null }): string | null {
  return row.snapshot && !row.agent ? `/protection/snapshots/${row.snapshot}` : null;
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
  backup: 'after a backup',
  change: 'after a change',
  retry: 'again after a failure',
  sample: 'daily sample',
  person: 'asked for',
};

export function causeOf(run: Run): string {
  const daily = run.cause === 'schedule' && run.plan === null;
  const by = daily ? 'once a day' : (CAUSES[run.cause] ?? run.cause);
  const cause = run.agent ? `${by}, on the host of ${run.agent}` : by;
  return run.actor ? `${cause} by ${run.actor}` : cause;
}

export function kindOf(run: Run): string {
  // A drill that has not passed has proven no level.
  if (run.kind === 'verify' && run.drill && !run.level) return 'Recovery drill';
  if (run.kind === 'verify') return `Verify level ${run.level ?? '?'}`;
  if (run.kind === 'forget') return 'Clean up';
  if (run.kind === 'kit') return 'Restore kit';
  if (run.kind === 'undelete') return 'Take back';
  if (run.kind === 'copy') return 'Copy of the vault';
  if (run.kind === 'drill') return 'Recovery drill';
  return words(run.kind);
}

/** How a copy in a store stands: one word, its colour, and what to do. */
export function targetWord(target: VaultTarget, entries: number) {
  const { covered, gone, missing } = target;
  const says = (name: string, tone: string, text = '') => ({ name, tone, says: text });
  if (covered + gone > 0) {
    const text = `${covered + gone} objects were covered or ended by somebody else; they are put right`;
    return says('Meddled with', 'bad', text);
  }
  if (target.error) return says('Failed', 'bad', target.error);
  if (missing > 0) return says('Incomplete', 'bad', `${missing} objects are lost here`);
  if (!target.locked_until && !target.held) return says('Not locked', 'warn');
  if (target.entries < entries) return says('Behind', 'warn', 'The next push brings the rest');
  return says('Whole', 'ok');
}

const RULES: [keyof RetentionRules, string][] = [
  ['keep_last', 'newest'],
  ['keep_hourly', 'hours'],
  ['keep_daily', 'days'],
  ['keep_weekly', 'weeks'],
  ['keep_monthly', 'months'],
  ['keep_yearly', 'years'],
  ['lock_days', 'lock days'],
  ['undelete_days', 'days to take back'],
  ['release_delay_hours', 'hours a release waits'],
  ['lock_days_max', 'lock days at most'],
];

/** What other rules would change, as `days 14 > 7`. */
export function ruleChanges(before: RetentionRules, after: RetentionRules): string[] {
  return RULES.filter(([key]) => before[key] !== after[key]).map(
    ([key, name]) => `${name} ${String(before[key] ?? 0)} > ${String(after[key] ?? 0)}`,
  );
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

/** The same as how old something is: `a day`, `2 days`. */
export function aged(minutes: number): string {
  const text = every(minutes);
  if (/^\d/.test(text)) return text;
  return `${text === 'hour' ? 'an' : 'a'} ${text}`;
}

/** Milliseconds as a person says them: `340 ms`, `12.4 s`, `3 min`. */
export function span(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1).replace(/\.0$/, '')} s`;
  return duration(ms / 1_000);
}

/** One step of a drill, whether it has been, is, or is to come. */
export interface DrillLine {
  group: string;
  title: string;
  kind: string;
  state: 'ok' | 'failed' | 'skipped' | 'not-exercised' | 'running' | 'pending';
  started_ms: number;
  ended_ms: number;
  detail: string;
  by: string[];
}

const OUTCOMES = ['ok', 'failed', 'skipped', 'not-exercised'] as const;

/** What has ended, what is under way, what is to come; in the order of the plan. */
export function drillSteps(drill: Drill): DrillLine[] {
  const lines: DrillLine[] = drill.steps.map((step) => ({
    ...step,
    state: OUTCOMES.find((word) => word === step.outcome) ?? 'failed',
  }));
  const nothing = { started_ms: 0, ended_ms: 0, detail: '', by: [] };
  const current = drill.current;
  if (current) lines.push({ ...nothing, ...current, state: 'running' });
  const open = drill.ok === null;
  for (const step of drill.planned.slice(lines.length))
    lines.push({ ...nothing, ...step, state: open ? 'pending' : 'skipped' });
  return lines;
}
