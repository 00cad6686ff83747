// Made-up sites of any size, for measuring and looking at: a few production lines, their
// supervision, a site level, an industrial DMZ, offices.
// Not here: anything the product shows. Invariant: the same size gives the same site.

import type { MapEdge, MapGraph, MapNode, Severity } from '../model';

/** mulberry32: 32 bits of state are plenty for a picture. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const SHARES: [string, number | null, number][] = [
  ['io-adapter', 0, 16],
  ['drive', 0, 12],
  ['sensor', 0, 5],
  ['meter', 0, 5],
  ['robot', 0, 2],
  ['plc', 1, 11],
  ['rtu', 1, 2],
  ['ied', 1, 3],
  ['building-controller', 1, 2],
  ['hmi', 2, 5],
  ['scada', 2, 1],
  ['engineering-station', 2, 2],
  ['switch', 2, 4],
];

const OFFICE: [string, number | null, number][] = [
  ['workstation', 4, 14],
  ['printer', 4, 2],
  ['phone', 4, 3],
  ['camera', 4, 2],
  ['server', 4, 3],
  ['mobile', 4, 1],
];

const VENDORS = [
  'Siemens',
  'Rockwell Automation',
  'Schneider Electric',
  'ABB',
  'Beckhoff',
  'WAGO',
  'Phoenix Contact',
];
const SHORT: Record<string, string> = {
  'io-adapter': 'io',
  'building-controller': 'bms',
  'engineering-station': 'eng',
  workstation: 'pc',
};

export function sample(count: number, links = count * 5): MapGraph {
  const next = random(count);
  const nodes: MapNode[] = [];
  const perCell = count < 100 ? 12 : 34;
  const cells = Math.max(1, Math.round((count * 0.68) / perCell));
  const add = (cls: string, level: number | null, subnet: string, name: string): void => {
    const index = nodes.length;
    const roll = next();
    const severity: Severity | null =
      roll < 0.012
        ? 'critical'
        : roll < 0.03
          ? 'high'
          : roll < 0.06
            ? 'medium'
            : roll < 0.1
              ? 'low'
              : roll < 0.12
                ? 'info'
                : null;
    nodes.push({
      id: `ast_${index.toString(16).padStart(16, '0')}`,
      name,
      class: cls,
      purdue: level,
      vendor: VENDORS[Math.floor(next() * VENDORS.length)] ?? null,
      zone: null,
      severity,
      findings: severity === null ? 0 : 1 + Math.floor(next() * 4),
      ip: subnet === '' ? null : `${subnet}.${10 + (index % 240)}`,
      vlans: subnet === '' ? [] : [Number(subnet.split('.')[2])],
      criticality: cls === 'plc' && next() < 0.2 ? 4 : null,
      first_seen: '2026-03-02T06:00:00.000000Z',
      last_seen: next() < 0.06 ? '2026-03-01T06:00:00.000000Z' : '2026-03-04T11:00:00.000000Z',
    });
  };
  const pick = (shares: [string, number | null, number][]): [string, number | null] => {
    const total = shares.reduce((sum, row) => sum + row[2], 0);
    let at = next() * total;
    for (const [cls, level, share] of shares) if ((at -= share) < 0) return [cls, level];
    return ['unknown', null];
  };
  const number = new Map<string, number>();
  const named = (cls: string, place: string): string => {
    const key = `${SHORT[cls] ?? cls}-${place}`;
    number.set(key, (number.get(key) ?? 0) + 1);
    return `${key}-${String(number.get(key)).padStart(2, '0')}`;
  };
  for (let cell = 0; cell < cells; cell += 1) {
    for (let n = 0; n < perCell; n += 1) {
      const [cls, level] =
        n === 0 ? (['plc', 1] as const) : n === 1 ? (['hmi', 2] as const) : pick(SHARES);
      add(cls, level, `10.20.${10 + cell}`, named(cls, `l${cell + 1}`));
    }
  }
  const site = Math.max(4, Math.round(count * 0.03));
  const siteClasses = [
    'historian',
    'server',
    'scada',
    'virtual-machine',
    'clock',
    'engineering-station',
  ];
  for (let n = 0; n < site; n += 1) {
    const cls = siteClasses[n % siteClasses.length] ?? 'server';
    add(cls, 3, '10.20.3', named(cls, 'site'));
  }
  const dmz = Math.max(2, Math.round(count * 0.008));
  for (let n = 0; n < dmz; n += 1) {
    const cls = n === 0 ? 'firewall' : 'server';
    add(cls, 3.5, '10.30.0', named(cls, 'dmz'));
  }
  for (let n = 0; n < Math.max(2, Math.round(count * 0.012)); n += 1) {
    add('external', 5, `203.0.${n}`, `203.0.${n}.${10 + n}`);
  }
  for (let n = 0; n < Math.max(1, Math.round(count * 0.02)); n += 1)
    add('unknown', null, '', `00:1b:1b:3a:${10 + n}:0${n % 10}`);
  while (nodes.length < count) {
    const [cls, level] = pick(OFFICE);
    const floor = Math.floor((nodes.length / count) * 40) % 4;
    add(cls, level, `10.40.${1 + floor}`, named(cls, `f${floor + 1}`));
  }
  nodes.length = count;
  return { revision: 1, truncated: false, nodes, edges: joined(nodes, links, next) };
}

const CELL_PROTOCOLS = [
  ['s7comm', 'pn_dcp'],
  ['enip', 'cip'],
  ['modbus'],
  ['opcua'],
  ['bacnet'],
  ['fins'],
  ['dnp3'],
];

function joined(nodes: MapNode[], count: number, next: () => number): MapEdge[] {
  const bySubnet = new Map<string, number[]>();
  const byLevel = new Map<number | null, number[]>();
  nodes.forEach((node, index) => {
    const subnet = node.ip?.split('.').slice(0, 3).join('.') ?? '';
    bySubnet.set(subnet, [...(bySubnet.get(subnet) ?? []), index]);
    byLevel.set(node.purdue, [...(byLevel.get(node.purdue) ?? []), index]);
  });
  const edges = new Map<string, MapEdge>();
  const any = (list: number[] | undefined): number => list?.[Math.floor(next() * list.length)] ?? 0;
  const link = (client: number, server: number, protocols: string[]): void => {
    const one = nodes[client]?.id ?? '';
    const two = nodes[server]?.id ?? '';
    if (client === server || edges.has(`${one} ${two}`) || edges.has(`${two} ${one}`)) return;
    const bytes = Math.round(10 ** (3 + next() * 6));
    const writes: Record<string, number> = next() < 0.25 ? { write: Math.ceil(next() * 900) } : {};
    edges.set(one < two ? `${one} ${two}` : `${two} ${one}`, {
      a: one < two ? one : two,
      b: one < two ? two : one,
      client: one,
      protocols: [...protocols].sort(),
      volumes: Object.fromEntries(
        protocols.map((name) => [name, Math.round(bytes / protocols.length)]),
      ),
      bytes,
      operations: { read: Math.ceil(next() * 90_000), ...writes },
      last_seen: '2026-03-04T11:00:00.000000Z',
    });
  };
  const upper = nodes.map((_, index) => index).filter((index) => (nodes[index]?.purdue ?? 0) >= 3);
  for (let tries = 0; edges.size < count && tries < count * 12; tries += 1) {
    const roll = next();
    const index = Math.floor(next() * nodes.length);
    const node = nodes[index];
    if (!node) continue;
    const subnet = node.ip?.split('.').slice(0, 3).join('.') ?? '';
    const cell = bySubnet.get(subnet) ?? [];
    const words = CELL_PROTOCOLS[Number(subnet.split('.')[2] ?? 0) % CELL_PROTOCOLS.length] ?? [
      'modbus',
    ];
    const level = node.purdue ?? -1;
    if (roll < 0.62 && level >= 1 && level <= 2) {
      const servers = cell.filter((other) => (nodes[other]?.purdue ?? 9) < level);
      link(index, any(servers.length > 0 ? servers : cell), words);
    } else if (roll < 0.8 && level === 3) {
      link(index, any(byLevel.get(next() < 0.6 ? 1 : 2)), next() < 0.5 ? ['opcua'] : words);
    } else if (roll < 0.93 && level >= 4)
      link(index, any(upper), next() < 0.6 ? ['tls', 'http'] : ['smb']);
    else if (roll < 0.97) link(index, any(cell), next() < 0.5 ? ['dns'] : ['snmp']);
    else if (level >= 2) link(index, any(byLevel.get(1)), next() < 0.5 ? ['ssh'] : ['rdp']);
  }
  return [...edges.values()].sort((a, b) => (a.a < b.a ? -1 : a.a > b.a ? 1 : a.b < b.b ? -1 : 1));
}
