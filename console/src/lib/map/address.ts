// What of the map's state stands in the address bar: every view can be linked.
// Not here: camera and pointer. Invariant: reading what was written gives the same choices.

import { EVERYTHING, type Filter } from './filter';
import type { GroupBy } from './groups';
import { BANDS, CLASS_NAMES, SEVERITIES, severityRank, type Severity } from './model';
import { FAMILIES } from './protocols';

export interface Address {
  filter: Filter;
  by: GroupBy;
  /** Others are left out and the rest moves together, instead of staying as shadows. */
  hide: boolean;
  /** Only this asset and those it talks with. */
  around: string | null;
  asset: string | null;
  list: boolean;
}

const GROUPS: readonly GroupBy[] = ['zone', 'subnet', 'vlan', 'none'];
/** No zone, protocol or class has it in its name. */
const BETWEEN = '|';

export function addressOf(query: URLSearchParams): Address {
  const set = (name: string, known?: readonly string[]): ReadonlySet<string> => {
    const words = (query.get(name) ?? '').split(BETWEEN).filter((word) => word !== '');
    return new Set(known ? words.filter((word) => known.includes(word)) : words);
  };
  const severity = query.get('severity') ?? '';
  const by = query.get('by') as GroupBy;
  const window = Number(query.get('within') ?? '');
  return {
    filter: {
      levels: set(
        'level',
        BANDS.map((band) => band.key),
      ),
      classes: set('class', CLASS_NAMES),
      families: set(
        'family',
        FAMILIES.map((family) => family.id),
      ),
      protocols: set('protocol'),
      zones: set('zone'),
      severity: severityRank(
        SEVERITIES.includes(severity as Severity) ? (severity as Severity) : null,
      ),
      window: Number.isFinite(window) && window > 0 ? window : null,
    },
    by: GROUPS.includes(by) ? by : 'zone',
    hide: query.get('others') === 'hide',
    around: query.get('around'),
    asset: query.get('asset'),
    list: query.get('view') === 'list',
  };
}

/** The values of a filter for the address bar; null takes one out. */
export function queryOf(filter: Filter): Record<string, string | null> {
  const text = (set: ReadonlySet<string>) => (set.size > 0 ? [...set].sort().join(BETWEEN) : null);
  return {
    level: text(filter.levels),
    class: text(filter.classes),
    family: text(filter.families),
    protocol: text(filter.protocols),
    zone: text(filter.zones),
    severity: SEVERITIES[filter.severity - 1] ?? null,
    within: filter.window === null ? null : String(filter.window),
  };
}

export const NO_FILTER = queryOf(EVERYTHING);
