// Colours and fonts of the map, read from the page's style when it draws.
// Not here: which colour means what to whom. Invariant: the dark theme and the light one have the
// same names; colour never tells alone: shapes, dashes and words tell the same.

import { FAMILIES } from './protocols';
import { SEVERITIES, type Severity } from './model';

export interface Theme {
  font: string;
  background: string;
  band: string;
  line: string;
  ink: string;
  muted: string;
  group: string;
  groupLine: string;
  tile: string;
  tileLine: string;
  control: string;
  controlInk: string;
  operator: string;
  operatorLine: string;
  accent: string;
  onBadge: string;
  families: string[];
  severity: Record<Severity, string>;
}

const PLAIN = [
  'background',
  'band',
  'line',
  'ink',
  'muted',
  'group',
  'group-line',
  'tile',
  'tile-line',
  'control',
  'control-ink',
  'operator',
  'operator-line',
  'accent',
  'on-badge',
] as const;

/** Reads `--map-*` of an element. A probe resolves what a custom property only quotes. */
export function themeOf(host: HTMLElement): Theme {
  const probe = document.createElement('span');
  probe.style.display = 'none';
  host.append(probe);
  const colour = (name: string): string => {
    probe.style.color = '';
    probe.style.color = `var(--map-${name})`;
    return getComputedStyle(probe).color;
  };
  const plain = Object.fromEntries(PLAIN.map((name) => [name, colour(name)]));
  const pick = (name: (typeof PLAIN)[number]): string => plain[name] ?? '#808080';
  const families = FAMILIES.map((family) => colour(`family-${family.id}`));
  const severity = Object.fromEntries(SEVERITIES.map((name) => [name, colour(`severity-${name}`)]));
  const font = getComputedStyle(host).fontFamily || 'sans-serif';
  probe.remove();
  return {
    font,
    background: pick('background'),
    band: pick('band'),
    line: pick('line'),
    ink: pick('ink'),
    muted: pick('muted'),
    group: pick('group'),
    groupLine: pick('group-line'),
    tile: pick('tile'),
    tileLine: pick('tile-line'),
    control: pick('control'),
    controlInk: pick('control-ink'),
    operator: pick('operator'),
    operatorLine: pick('operator-line'),
    accent: pick('accent'),
    onBadge: pick('on-badge'),
    families,
    severity: severity as Record<Severity, string>,
  };
}
