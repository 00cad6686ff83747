// The operator's word about an asset: what was typed, as the smallest merge patch.
//
// Invariant: a field nobody touched is not sent, so that two people who change different fields do
// not undo each other; an emptied one is `null` and takes the operator's word back.
import type { AssetChange, Schemas } from './api/types';

type Declared = Schemas['Declared'];

export interface AssetForm {
  name: string;
  class: string;
  purdue: string;
  zone: string;
  criticality: string;
  lifecycle: string;
  labels: string;
  note: string;
}

export function formOf(declared: Declared): AssetForm {
  return {
    name: declared.name ?? '',
    class: declared.class ?? '',
    purdue: declared.purdue === null ? '' : String(declared.purdue),
    zone: declared.zone ?? '',
    criticality: declared.criticality === null ? '' : String(declared.criticality),
    lifecycle: declared.lifecycle,
    labels: labelText(declared.labels),
    note: declared.note ?? '',
  };
}

export function labelText(labels: Record<string, string>): string {
  const lines = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return lines.sort().join('\n');
}

/** Lines `key=value`; a line without `=` or with a bad key is named in the error. */
export function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const line of text.split('\n').map((l) => l.trim())) {
    if (line === '') continue;
    const at = line.indexOf('=');
    const key = line.slice(0, at).trim();
    if (at < 1 || !/^[a-z0-9._/-]{1,63}$/.test(key)) {
      throw new Error(`label "${line}": write key=value, the key in a-z 0-9 . _ / -`);
    }
    labels[key] = line.slice(at + 1).trim();
  }
  return labels;
}

/** What differs between the two forms. */
export function changeOf(before: AssetForm, after: AssetForm): AssetChange {
  const change: Record<string, unknown> = {};
  const texts = ['name', 'class', 'zone', 'note'] as const;
  for (const field of texts) {
    if (before[field] !== after[field]) change[field] = after[field].trim() || null;
  }
  for (const field of ['purdue', 'criticality'] as const) {
    if (before[field] !== after[field])
      change[field] = after[field] === '' ? null : Number(after[field]);
  }
  if (before.lifecycle !== after.lifecycle) change.lifecycle = after.lifecycle;
  if (before.labels !== after.labels) change.labels = labelsOf(after.labels);
  return change as AssetChange;
}
