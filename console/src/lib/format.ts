// Numbers, sizes, times and words as people read them.
//
// Invariant: pure; the zone and the present moment are arguments where they matter.

const WHOLE = new Intl.NumberFormat('en-GB');

export function whole(value: number): string {
  return WHOLE.format(value);
}

/** `1.2k`, `3.4M`: for places with little room. */
export function short(value: number): string {
  const steps: [number, string][] = [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ];
  for (const [size, unit] of steps) {
    if (Math.abs(value) >= size) return `${trimmed(value / size)}${unit}`;
  }
  return Number.isInteger(value) ? String(value) : trimmed(value);
}

/** Binary sizes: `4.0 KiB` counts in 1024. */
export function bytes(value: number | null): string {
  if (value === null) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${size} B` : `${trimmed(size)} ${units[unit]}`;
}

/** Bits per second count in 1000. */
export function bitRate(bytesPerSecond: number): string {
  const units = ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s'];
  let rate = bytesPerSecond * 8;
  let unit = 0;
  while (rate >= 1000 && unit < units.length - 1) {
    rate /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(rate) : trimmed(rate)} ${units[unit]}`;
}

function trimmed(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(1);
}

/** A polling period: `250 ms`, `1.5 s`, `2 min`. */
export function period(ms: number | null): string {
  if (ms === null) return '–';
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${Number((ms / 1_000).toFixed(1))} s`;
  return `${Number((ms / 60_000).toFixed(1))} min`;
}

export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) {
    const minutes = Math.floor((s % 3_600) / 60);
    return minutes ? `${Math.floor(s / 3_600)} h ${minutes} min` : `${Math.floor(s / 3_600)} h`;
  }
  return `${Math.floor(s / 86_400)} d`;
}

/** A share of a whole: never all where a part is missing, never nothing where there is some. */
export function percent(part: number, total: number): string {
  if (total === 0 || part === 0) return '0 %';
  if (part >= total) return '100 %';
  const share = (part / total) * 100;
  if (share < 1) return '< 1 %';
  return share > 99 ? '> 99 %' : `${Math.round(share)} %`;
}

/** `3 min ago`; beyond a week the date. Times ahead of our clock are `now` or `in 2 h`. */
export function ago(iso: string, now: number, zone?: string): string {
  const at = Date.parse(iso);
  if (Number.isNaN(at)) return iso;
  const seconds = Math.round((now - at) / 1_000);
  if (seconds < -60) return `in ${duration(-seconds)}`;
  if (seconds < 5) return 'now';
  if (seconds < 7 * 86_400) return `${duration(seconds)} ago`;
  return local(iso, zone).slice(0, 10);
}

/** `2026-03-01 14:05:09`, local or in the given zone. */
export function local(iso: string, zone?: string): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  const parts = new Intl.DateTimeFormat('en-GB', {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZone: zone,
  }).formatToParts(at);
  const part = (kind: string) => parts.find((p) => p.type === kind)?.value ?? '';
  const day = `${part('year')}-${part('month')}-${part('day')}`;
  return `${day} ${part('hour')}:${part('minute')}:${part('second')}`;
}

/** `UTC`, `UTC+1`, `UTC+5:30`: what local times on the page are. */
export function zoneName(at: Date): string {
  const minutes = -at.getTimezoneOffset();
  if (minutes === 0) return 'UTC';
  const hours = Math.floor(Math.abs(minutes) / 60);
  const rest = Math.abs(minutes) % 60;
  const sign = minutes < 0 ? '−' : '+';
  return `UTC${sign}${hours}${rest ? `:${String(rest).padStart(2, '0')}` : ''}`;
}

/** For sentences and lists of choices: `2026-03-01 14:05 UTC+1`. */
export function moment(iso: string): string {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? iso : `${local(iso).slice(0, 16)} ${zoneName(at)}`;
}

/** `2026-03-01 14:05:09 UTC+1`: where seconds tell two times apart. */
export function second(iso: string): string {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? iso : `${local(iso)} ${zoneName(at)}`;
}

/** As sent, to the microsecond: `2026-03-01 13:05:09.250000 UTC`. */
export function utc(iso: string): string {
  return iso.replace('T', ' ').replace(/Z$/, ' UTC');
}

/** Spelt as the people who say them do. */
const SPELT = new Map(
  'ARP BIOS CPU DHCP DNP3 DNS FTP HTTP ICMP ID IP MAC OS PLC SMB SNMP SSH TLS URI URL VLAN'
    .split(' ')
    .map((word) => [word.toLowerCase(), word]),
);

/** `program-download` to `Program download`, `plc_name` to `PLC name`. */
export function words(value: string): string {
  const text = value
    .split(/[-_ ]/)
    .map((word) => SPELT.get(word) ?? word)
    .join(' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const CLASSES: Record<string, string> = {
  plc: 'PLC',
  rtu: 'RTU',
  ied: 'IED',
  hmi: 'HMI',
  scada: 'SCADA server',
  'io-adapter': 'I/O adapter',
  mobile: 'Mobile device',
  external: 'Outside address',
};

/** The class of an asset. */
export function className(value: string): string {
  return CLASSES[value] ?? words(value);
}

const LEVELS: Record<string, string> = {
  '0': 'Process',
  '1': 'Basic control',
  '2': 'Supervision',
  '3': 'Operations',
  '3.5': 'Industrial DMZ',
  '4': 'Business',
  '5': 'Enterprise',
};

/** `L1`, or a dash. */
export function level(value: number | null): string {
  return value === null ? '–' : `L${value}`;
}

export function levelName(value: number | string | null): string {
  return value === null ? 'No level' : (LEVELS[String(value)] ?? `Level ${value}`);
}

/** `1 asset`, `2 assets`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${whole(count)} ${count === 1 ? one : many}`;
}

/** A new name for a download, without what file systems dislike. */
export function fileName(stem: string, ending: string, now: Date): string {
  const day = now.toISOString().slice(0, 16).replaceAll(':', '').replace('T', '-');
  return `${stem.replace(/[^\w.-]+/g, '-')}-${day}.${ending}`;
}
