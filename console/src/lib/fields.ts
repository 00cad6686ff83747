// Fields the filters and facets know, as the help shows them (docs/api.md has the same).
import type { Count } from './api/types';
import { className, levelName, words } from './format';

export const ASSET_FIELDS = [
  'name class role purdue vendor model firmware serial os ip mac vlan protocol zone criticality',
  'lifecycle labels.KEY first_seen last_seen known_since packets findings severity sensor origin',
  'text',
].flatMap((line) => line.split(' '));

export const FINDING_FIELDS = [
  'detector engine severity title technique status owner note muted first_seen last_seen count',
  'asset address sensor text',
].flatMap((line) => line.split(' '));

export const FACETS = [
  ['class', 'Class'],
  ['purdue', 'Purdue level'],
  ['vendor', 'Vendor'],
  ['severity', 'Open findings'],
  ['lifecycle', 'Lifecycle'],
  ['zone', 'Zone'],
  ['role', 'Role'],
] as const;
export type FacetField = (typeof FACETS)[number][0];

/** Values of a facet that are shown at first. */
export const FACET_ROWS = 10;

/** What a facet shows until it is unfolded: nothing that is chosen is out of sight. */
export function folded(counts: readonly Count[], chosen: readonly (string | null)[]): Count[] {
  return counts.filter((count, at) => at < FACET_ROWS || chosen.includes(count.value));
}

/** Facets of few values: each row is counted in each. */
const WHOLE_FACETS = ['class', 'purdue', 'lifecycle', 'severity', 'role'];

/**
 * Rows in all. A facet of which something is chosen also counts what is not, for it to be chosen.
 */
export function totalOf(
  facets: Readonly<Record<string, readonly Count[]>>,
  chosen: Readonly<Record<string, readonly (string | null)[]>>,
): number {
  const field = WHOLE_FACETS.find((name) => !chosen[name]) ?? 'class';
  const picked = chosen[field];
  const counts = facets[field] ?? [];
  return counts
    .filter((count) => !picked || picked.includes(count.value))
    .reduce((sum, count) => sum + count.count, 0);
}

/** A facet's value as people read it. */
export function facetValue(
  field: string,
  count: Count,
  zoneName: (id: string) => string,
): string {
  const value = count.value;
  // Nobody has to know of a zone or a finding for there to be none.
  if (value === null && (field === 'severity' || field === 'zone')) return 'None';
  if (value === null) return field === 'purdue' ? levelName(null) : 'Unknown';
  if (field === 'class') return className(value);
  if (field === 'purdue') return `${Number(value)} ${levelName(Number(value))}`;
  if (field === 'zone') return zoneName(value);
  return field === 'vendor' ? value : words(value);
}
