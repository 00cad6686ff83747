import { expect, test } from 'vitest';
import type { PlanSpec } from '$lib/api/types';
import { formOf, specOf } from './planForm';

const SPEC: PlanSpec = {
  name: 'Controllers',
  enabled: false,
  filter: null,
  subject: 'Project share',
  agent: 'share-01',
  sources: ['files:/srv/plc', 'sqlite:/var/lib/historian.db'],
  every_minutes: 60,
  rpo_minutes: 120,
  lock_days: 30,
  keep: { last: 4, hourly: 2, daily: 7, weekly: 0, monthly: 12, yearly: 0 },
  quiet: [{ days: [0, 6], from: '06:00', until: '22:00' }],
  kib_per_s: 512,
  on_change: false,
  debounce_s: 60,
  retries: 5,
  verify_days: 14,
  verify_level: 1,
  recover_days: 90,
  recover_start: null,
  recover_check: null,
};

test('a plan that is opened and saved again is the same plan', () => {
  expect(specOf(formOf(SPEC), SPEC)).toEqual(SPEC);
  const device = { ...SPEC, filter: 'class eq "plc"', subject: null, agent: null, keep: null };
  const started = { ...device, recover_start: '/opt/start', recover_check: '/opt/check' };
  expect(specOf(formOf(started), started)).toEqual(started);
});

test('what is not filled in is nothing, not zero', () => {
  const spec = specOf(formOf({ name: ' new ' }), {});
  expect([spec.name, spec.lock_days, spec.keep, spec.kib_per_s]).toEqual(['new', null, null, null]);
});
