// Which zone, VLAN or subnet an asset stands in on the map.
// Not here: levels and places. Invariant: an asset's group depends on that asset alone, so a new
// asset never moves another to a different group.

import type { MapNode } from './model';

export type GroupBy = 'zone' | 'subnet' | 'vlan' | 'none';

export interface GroupName {
  key: string;
  label: string;
  /** Where there is little room. */
  short: string;
  /** Groups stand in this order, naturally compared. */
  sort: string;
}

const OUTSIDE: GroupName = {
  key: 'outside',
  label: 'Outside the site',
  short: 'Outside',
  sort: '8',
};
const NO_ADDRESS: GroupName = {
  key: 'no-address',
  label: 'No IP address',
  short: 'No IP',
  sort: '9',
};
const NO_VLAN: GroupName = { key: 'no-vlan', label: 'No VLAN seen', short: 'No VLAN', sort: '9' };
const ALL: GroupName = { key: 'all', label: 'All assets', short: 'All', sort: '1' };

export function groupOf(node: MapNode, by: GroupBy, zones: ReadonlyMap<string, string>): GroupName {
  if (by === 'none') return ALL;
  if (node.class === 'external' && node.zone === null) return OUTSIDE;
  if (by === 'zone' && node.zone !== null) {
    // Made by somebody since the map was read, which reads them again.
    const label = zones.get(node.zone) ?? '…';
    return { key: `zone ${node.zone}`, label, short: label, sort: `1 ${label}` };
  }
  if (by === 'vlan') {
    const vlan = node.vlans[0];
    if (vlan === undefined) return NO_VLAN;
    const label = `VLAN ${vlan}`;
    return { key: `vlan ${vlan}`, label, short: label, sort: `2 ${vlan}` };
  }
  if (node.ip === null) return NO_ADDRESS;
  const subnet = subnetOf(node.ip);
  const short = subnet.replace(/(\.0\/24|::\/64)$/, '');
  return { key: `net ${subnet}`, label: subnet, short, sort: `2 ${subnet}` };
}

/** The /24 of an IPv4 address, the /64 of an IPv6 address: what nearly all plants use. */
export function subnetOf(ip: string): string {
  if (!ip.includes(':')) {
    const parts = ip.split('.');
    if (parts.length !== 4) return ip;
    if (parts[0] === '169' && parts[1] === '254') return '169.254.0.0/16';
    return `${parts.slice(0, 3).join('.')}.0/24`;
  }
  const words = expanded(ip.toLowerCase());
  if (words === null) return ip;
  if (words[0] === 'fe80') return 'fe80::/64';
  const head = words.slice(0, 4);
  while (head.length > 1 && head[head.length - 1] === '0') head.pop();
  return `${head.join(':')}::/64`;
}

function expanded(ip: string): string[] | null {
  const halves = (ip.split('%', 1)[0] ?? '').split('::');
  if (halves.length > 2) return null;
  const list = (text: string | undefined) => (text ? text.split(':') : []);
  const left = list(halves[0]);
  const right = list(halves[1]);
  const missing = halves.length === 2 ? 8 - left.length - right.length : 0;
  if (missing < 0) return null;
  const words = [...left, ...Array<string>(missing).fill('0'), ...right];
  return words.map((word) => word.replace(/^0+(?=.)/, ''));
}
