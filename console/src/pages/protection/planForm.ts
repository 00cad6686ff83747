// What a person writes into a plan's dialog, from and to what the API calls a plan.
//
// Not here: the dialog. Invariant: pure.
import type { PlanSpec } from '$lib/api/types';

export const KEEP = ['daily', 'weekly', 'monthly', 'yearly'] as const;
export type Span = (typeof KEEP)[number];

export interface PlanForm {
  name: string;
  enabled: boolean;
  what: 'assets' | 'subject';
  filter: string;
  subject: string;
  agent: string;
  sources: string;
  every: number;
  rpo: number;
  onChange: boolean;
  debounce: number;
  verifyDays: number;
  verifyLevel: number;
  recoverDays: number;
  recoverStart: string;
  recoverCheck: string;
  retries: number;
  lockDays: string;
  keep: Record<Span, string>;
  rate: string;
  quiet: { days: number[]; from: string; until: string }[];
}
const blank = (): PlanForm => ({
  name: '',
  enabled: true,
  what: 'assets',
  filter: 'class eq "plc"',
  subject: '',
  agent: '',
  sources: 's7:{ip}',
  every: 1_440,
  rpo: 2_880,
  onChange: true,
  debounce: 120,
  verifyDays: 7,
  verifyLevel: 2,
  recoverDays: 0,
  recoverStart: '',
  recoverCheck: '',
  retries: 3,
  lockDays: '',
  keep: { daily: '', weekly: '', monthly: '', yearly: '' },
  rate: '',
  quiet: [],
});

const kept = (count: number | undefined) => (count ? String(count) : '');

export function formOf(begun: Partial<PlanSpec>): PlanForm {
  const base = blank();
  return {
    ...base,
    name: begun.name ?? '',
    enabled: begun.enabled ?? true,
    what: begun.subject ? 'subject' : 'assets',
    filter: begun.filter ?? (begun.subject ? '' : base.filter),
    subject: begun.subject ?? '',
    agent: begun.agent ?? '',
    sources: begun.sources?.join('\n') ?? base.sources,
    every: begun.every_minutes ?? base.every,
    rpo: begun.rpo_minutes ?? base.rpo,
    onChange: begun.on_change ?? base.onChange,
    debounce: begun.debounce_s ?? base.debounce,
    verifyDays: begun.verify_days ?? base.verifyDays,
    verifyLevel: begun.verify_level ?? base.verifyLevel,
    recoverDays: begun.recover_days ?? base.recoverDays,
    recoverStart: begun.recover_start ?? '',
    recoverCheck: begun.recover_check ?? '',
    retries: begun.retries ?? base.retries,
    lockDays: begun.lock_days ? String(begun.lock_days) : '',
    keep: {
      daily: kept(begun.keep?.daily),
      weekly: kept(begun.keep?.weekly),
      monthly: kept(begun.keep?.monthly),
      yearly: kept(begun.keep?.yearly),
    },
    rate: begun.kib_per_s ? String(begun.kib_per_s) : '',
    quiet: (begun.quiet ?? []).map((span) => ({ ...span, days: [...(span.days ?? [])] })),
  };
}

export function specOf(form: PlanForm, begun: Partial<PlanSpec>): PlanSpec {
  const number = (text: string) => (text.trim() === '' ? null : Number(text));
  return {
    name: form.name.trim(),
    enabled: form.enabled,
    filter: form.what === 'assets' ? form.filter.trim() : null,
    subject: form.what === 'subject' ? form.subject.trim() : null,
    agent: form.agent || null,
    sources: form.sources
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean),
    every_minutes: form.every,
    rpo_minutes: form.rpo,
    lock_days: number(form.lockDays),
    keep: KEEP.some((span) => number(form.keep[span]))
      ? {
          last: begun.keep?.last ?? 0,
          hourly: begun.keep?.hourly ?? 0,
          daily: number(form.keep.daily) ?? 0,
          weekly: number(form.keep.weekly) ?? 0,
          monthly: number(form.keep.monthly) ?? 0,
          yearly: number(form.keep.yearly) ?? 0,
        }
      : null,
    quiet: form.quiet,
    kib_per_s: number(form.rate),
    on_change: form.onChange,
    debounce_s: form.debounce,
    retries: form.retries,
    verify_days: form.verifyDays,
    verify_level: form.verifyLevel,
    recover_days: form.recoverDays,
    recover_start: form.agent ? null : form.recoverStart.trim() || null,
    recover_check: form.agent ? null : form.recoverCheck.trim() || null,
  };
}
