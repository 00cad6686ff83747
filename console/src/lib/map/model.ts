// What the map draws: the answer of `GET /map` and `GET /zones`, and the fixed words around it.
// Not here: positions. Invariant: levels run from the enterprise down to the process.

import { levelName } from '../format';

export type Severity = 'info' | 'low' | 'medium' | 'high' | 'critical';

export interface MapNode {
  id: string;
  name: string;
  class: string;
  purdue: number | null;
  vendor: string | null;
  zone: string | null;
  severity: Severity | null;
  findings: number;
  ip: string | null;
  vlans: number[];
  criticality: number | null;
  first_seen: string;
  last_seen: string;
}

export interface MapEdge {
  a: string;
  b: string;
  client: string | null;
  /** Of the volumes, in their order. */
  protocols: string[];
  volumes: Record<string, number>;
  bytes: number;
  operations: Record<string, number>;
  last_seen: string;
}

export interface MapGraph {
  revision: number;
  nodes: MapNode[];
  edges: MapEdge[];
  truncated: boolean;
}

/** A pair as the API tells it: by places among the nodes, with nothing that follows from the rest. */
export interface SentEdge {
  a: number;
  b: number;
  client: number | null;
  volumes: Record<string, number>;
  operations: Record<string, number>;
  last_seen: string;
}

export function graphOf(sent: Omit<MapGraph, 'edges'> & { edges: SentEdge[] }): MapGraph {
  const id = (place: number): string => sent.nodes[place]?.id ?? '';
  const edges = sent.edges.map((edge) => ({
    ...edge,
    a: id(edge.a),
    b: id(edge.b),
    client: edge.client === null ? null : id(edge.client),
    protocols: Object.keys(edge.volumes).sort(),
    bytes: Object.values(edge.volumes).reduce((sum, bytes) => sum + bytes, 0),
  }));
  return { ...sent, edges };
}

export interface ZoneName {
  id: string;
  name: string;
}

export interface Band {
  /** Purdue level; null where nothing tells it. */
  level: number | null;
  key: string;
  short: string;
  label: string;
}

/** Top to bottom. */
export const BANDS: readonly Band[] = [
  ...[5, 4, 3.5, 3, 2, 1, 0].map((level) => ({
    level,
    key: String(level),
    short: `L${level}`,
    label: levelName(level),
  })),
  { level: null, key: 'unknown', short: '?', label: 'Level unknown' },
];

const UNKNOWN_BAND = BANDS.length - 1;

export function bandOf(purdue: number | null): number {
  if (purdue === null) return UNKNOWN_BAND;
  const found = BANDS.findIndex(
    (band) => band.level !== null && Math.abs(band.level - purdue) < 0.01,
  );
  return found < 0 ? UNKNOWN_BAND : found;
}

/** Mildest first. */
export const SEVERITIES: readonly Severity[] = ['info', 'low', 'medium', 'high', 'critical'];

/** 0 none, 1 info … 5 critical. */
export function severityRank(severity: Severity | null): number {
  return severity === null ? 0 : SEVERITIES.indexOf(severity) + 1;
}

/** What the outline of a node tells: controllers stand out, offices stay in the background. */
export type Category = 'control' | 'field' | 'operator' | 'network' | 'it' | 'outside' | 'unknown';

export interface ClassInfo {
  label: string;
  many: string;
  category: Category;
}

const info = (label: string, category: Category, many = `${label}s`): ClassInfo => ({
  label,
  many,
  category,
});

/** In the order in which the classes of a group are laid out. */
export const CLASSES: Readonly<Record<string, ClassInfo>> = {
  plc: info('PLC', 'control'),
  rtu: info('RTU', 'control'),
  ied: info('IED', 'control'),
  'building-controller': info('Building controller', 'control'),
  robot: info('Robot', 'field'),
  drive: info('Drive', 'field'),
  'io-adapter': info('I/O adapter', 'field'),
  meter: info('Meter', 'field'),
  sensor: info('Sensor', 'field'),
  hmi: info('HMI', 'operator'),
  scada: info('SCADA server', 'operator'),
  'engineering-station': info('Engineering station', 'operator'),
  historian: info('Historian', 'operator'),
  gateway: info('Gateway', 'network'),
  firewall: info('Firewall', 'network'),
  router: info('Router', 'network'),
  switch: info('Switch', 'network', 'Switches'),
  'access-point': info('Access point', 'network'),
  clock: info('Clock', 'network'),
  'power-supply': info('Power supply', 'network', 'Power supplies'),
  server: info('Server', 'it'),
  'virtual-machine': info('Virtual machine', 'it'),
  workstation: info('Workstation', 'it'),
  printer: info('Printer', 'it'),
  camera: info('Camera', 'it'),
  phone: info('Phone', 'it'),
  mobile: info('Mobile device', 'it'),
  external: info('Outside address', 'outside', 'Outside addresses'),
  unknown: info('Unknown device', 'unknown'),
};

export const CLASS_NAMES: readonly string[] = Object.keys(CLASSES);
const RANKS = new Map(CLASS_NAMES.map((name, rank) => [name, rank]));

export function classInfo(name: string): ClassInfo {
  return CLASSES[name] ?? { label: name, many: name, category: 'unknown' };
}

export function classRank(name: string): number {
  return RANKS.get(name) ?? CLASS_NAMES.length;
}

const NATURAL = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** `plc-2` before `plc-10`; total, so that sorting never depends on the order of arrival. */
export function natural(a: string, b: string): number {
  return NATURAL.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

/** The name on the map: an address has its own line, and a domain is the same for all. */
export function labelOf(node: Pick<MapNode, 'name' | 'ip'>): string {
  const bare = node.name.replace(/ \([0-9a-f.:]+\)$/i, '');
  const host = /^([a-z][a-z0-9-]*)(\.[a-z][a-z0-9-]*)+\.?$/i.exec(bare);
  return host?.[1] ?? bare;
}

/** Operation classes that change a device or the process; the words of the API. */
export const CHANGING: ReadonlySet<string> = new Set([
  'write',
  'program-download',
  'start',
  'stop',
  'reset',
  'configure',
  'firmware-update',
  'time-sync',
]);
