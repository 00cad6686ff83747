// Places of assets: Purdue levels as bands, zones as columns through the bands, assets on a grid.
// Not here: links and drawing. Invariants: a pure function of its arguments, whatever order the
// assets come in; no two assets share a place; an asset that joins never moves another one inside
// its group, and only pushes groups aside where its own has no place left.

import { groupOf, type GroupBy, type GroupName } from './groups';
import { BANDS, bandOf, classRank, natural, type MapNode } from './model';

export interface Box {
  x: number;
  y: number;
  w: number;
  h: number;
}

/** The assets of one zone in one band. */
export interface Group extends Box {
  key: string;
  label: string;
  /** Where there is little room. */
  short: string;
  band: number;
  /** Indices into the assets, in reading order. */
  nodes: number[];
}

export interface BandRow {
  y: number;
  h: number;
  nodes: number;
}

export interface Layout {
  w: number;
  h: number;
  bands: BandRow[];
  groups: Group[];
  /** Width of the cells assets stand in. */
  cell: number;
  /** Centre of each asset. */
  x: Float32Array;
  y: Float32Array;
  /** Group of each asset. */
  of: Int32Array;
  /** What the next layout needs to leave everything where it is. */
  memory: Memory;
  /** Steps it took; what the tests bound instead of the time. */
  steps: number;
}

export interface Memory {
  places: Map<string, Place>;
  columns: Map<string, number>;
  wrap: number;
  stretch: number;
  cell: number;
}

interface Place {
  group: string;
  column: number;
  row: number;
}

export interface LayoutOptions {
  by: GroupBy;
  zones: ReadonlyMap<string, string>;
  /** For a screen that is higher than wide. */
  tall?: boolean | undefined;
  previous?: Memory | undefined;
}

export const CELL_W = 98;
/** Where there is room beside the map cells are wider, for longer names. */
const CELL_W_MAX = 150;
export const CELL_H = 80;
/** An asset stands so far above the middle of its cell: its name is below it. */
const LIFT = 8;
/** From an asset's middle to the end of its cell. */
export const BELOW = CELL_H / 2 + LIFT;
export const GROUP_HEAD = 23;
export const GROUP_PAD = 8;
const COLUMN_GAP = 20;
const SHELF_GAP = 18;
const BAND_PAD = 13;
const EMPTY_BAND_H = 26;
/** Width over height that a screen has room for. */
const ASPECT = { wide: 1.55, tall: 0.55 };
/** Of the part of a common screen that the map has. */
const SCREEN = 1.4;
/** A stretch has to be worth it. */
const BETTER = 1.03;
const STRETCHES = [1, 1.25, 1.5, 2, 3];
const ASPECT_FULL = 0.8;
const ASPECT_KEPT_MIN = 0.5;
const ASPECT_KEPT_MAX = 2.2;
const WRAP_MIN = { wide: 560, tall: 330 };
const WRAP_STEP = 1.22;

/** Cells beside each other for so many assets. Few steps: each one moves the assets of a group. */
export function columnsFor(count: number): number {
  const ladder: [number, number][] = [
    [4, 2],
    [9, 3],
    [16, 4],
    [36, 6],
    [72, 9],
    [140, 13],
    [280, 18],
    [560, 26],
    [1200, 38],
  ];
  return ladder.find(([most]) => count <= most)?.[1] ?? 56;
}

interface Zone extends GroupName {
  cells: number;
  /** Band -> assets. */
  bands: Map<number, number[]>;
}

export function layout(nodes: readonly MapNode[], options: LayoutOptions): Layout {
  const count = { steps: 0 };
  const zones = gather(nodes, options, count);
  const memory = options.previous;
  const shape = options.tall ? 'tall' : 'wide';
  // The bands of a small site are tall enough already: it may need wider, lower groups.
  const tries = memory ? [memory.stretch] : shape === 'tall' ? [1] : STRETCHES;
  let best: { plan: Plan; seats: Seats; size: number } | null = null;
  for (const stretch of tries) {
    for (const zone of zones) zone.cells = cellsOf(zone, stretch, memory);
    const seats = seat(nodes, zones, memory, count);
    const plan = { ...wrapped(zones, seats, memory, shape, count), stretch };
    // How large everything can be drawn on a screen of the usual shape.
    const size = Math.min(SCREEN / plan.w, 1 / plan.h);
    if (!best || size > best.size * BETTER) best = { plan, seats, size };
  }
  if (!best) throw new Error('there is always one try');
  for (const zone of zones) zone.cells = cellsOf(zone, best.plan.stretch, memory);
  const plan = memory ? best.plan : roomier(zones, best.seats, best.plan, shape, count);
  return placed(nodes, zones, best.seats, plan, count);
}

/** The same with wider cells, as far as nothing has to be drawn smaller for it. */
function roomier(
  zones: Zone[],
  seats: Seats,
  plan: Plan,
  shape: 'wide' | 'tall',
  count: Steps,
): Plan {
  const spare = (SCREEN * plan.h) / plan.w;
  if (shape === 'tall' || spare <= BETTER) return plan;
  const cell = Math.min(CELL_W_MAX, Math.floor(CELL_W * spare));
  const wider = { ...planned(zones, seats, plan.wrap * spare, cell, count), stretch: plan.stretch };
  return wider.h <= plan.h && wider.w <= SCREEN * plan.h * BETTER ? wider : plan;
}

/** Cells beside each other in a zone: as many in all its bands, so that its boxes are in line. */
function cellsOf(zone: Zone, stretch: number, memory: Memory | undefined): number {
  const most = Math.max(...[...zone.bands.values()].map((list) => list.length));
  const plain = columnsFor(most);
  const had = memory?.columns.get(zone.key);
  // A zone widens only when it has become far too tall: everything beside it has to move.
  if (had !== undefined && plain <= had * 1.4) return had;
  const room = ROOMS.find((size) => size >= most) ?? most;
  return Math.min(Math.ceil(plain * stretch), room);
}

/** A zone that is stretched has cells for so many: some are left for newcomers. */
const ROOMS = [2, 4, 6, 9, 12, 16, 20, 26, 32, 40, 50];

interface Steps {
  steps: number;
}

/** Assets by zone and band, each list in the order in which free cells are given out. */
function gather(nodes: readonly MapNode[], options: LayoutOptions, count: Steps): Zone[] {
  const zones = new Map<string, Zone>();
  nodes.forEach((node, index) => {
    count.steps += 1;
    const name = groupOf(node, options.by, options.zones);
    let zone = zones.get(name.key);
    if (!zone) zones.set(name.key, (zone = { ...name, cells: 0, bands: new Map() }));
    const band = bandOf(node.purdue);
    const list = zone.bands.get(band);
    if (list) list.push(index);
    else zone.bands.set(band, [index]);
  });
  const before = (a: number, b: number): number => {
    count.steps += 1;
    const one = nodes[a];
    const two = nodes[b];
    return one && two ? older(one, two) : 0;
  };
  for (const zone of zones.values()) {
    for (const list of zone.bands.values()) list.sort(before);
  }
  return [...zones.values()].sort((a, b) => natural(a.sort, b.sort) || natural(a.key, b.key));
}

/**
 * Assets first seen on an earlier day stand before later ones, so what is new comes last and
 * nothing else moves; those of one day stand by class and name, which is easier to read.
 */
function older(a: MapNode, b: MapNode): number {
  const day = a.first_seen.slice(0, 10);
  const other = b.first_seen.slice(0, 10);
  if (day !== other) return day < other ? -1 : 1;
  return (
    classRank(a.class) - classRank(b.class) ||
    natural(a.name, b.name) ||
    (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  );
}

interface Seats {
  /** Cell of each asset. */
  column: Int32Array;
  row: Int32Array;
  /** Zone and band -> rows used. */
  rows: Map<string, number>;
}

const groupKey = (zone: string, band: number): string => `${band} ${zone}`;

/** Gives each asset a cell of its group: the one it had, else the first that is free. */
function seat(
  nodes: readonly MapNode[],
  zones: Zone[],
  memory: Memory | undefined,
  count: Steps,
): Seats {
  const column = new Int32Array(nodes.length);
  const row = new Int32Array(nodes.length);
  const rows = new Map<string, number>();
  for (const zone of zones) {
    for (const [band, list] of zone.bands) {
      const key = groupKey(zone.key, band);
      const taken = new Set<number>();
      const waiting: number[] = [];
      let last = 0;
      const sit = (index: number, x: number, y: number) => {
        column[index] = x;
        row[index] = y;
        taken.add(y * zone.cells + x);
        last = Math.max(last, y);
      };
      for (const index of list) {
        count.steps += 1;
        const had = memory?.places.get(nodes[index]?.id ?? '');
        const fits = had && had.group === key && had.column < zone.cells;
        if (fits && !taken.has(had.row * zone.cells + had.column)) sit(index, had.column, had.row);
        else waiting.push(index);
      }
      let free = 0;
      for (const index of waiting) {
        while (taken.has(free)) {
          free += 1;
          count.steps += 1;
        }
        sit(index, free % zone.cells, Math.floor(free / zone.cells));
      }
      rows.set(key, last + 1);
    }
  }
  return { column, row, rows };
}

interface Track {
  x: number;
  w: number;
  bands: Set<number>;
}

/** Columns beside each other; those that do not fit go on a further page below, in each band. */
interface Plan {
  wrap: number;
  stretch: number;
  cell: number;
  /** Do the zones need more than one page? */
  wraps: boolean;
  w: number;
  h: number;
  page: Map<string, number>;
  x: Map<string, number>;
  /** Heights in cells of each band and page; zero where nothing stands. */
  shelves: number[][];
}

const widthOf = (cells: number, cell: number): number => cells * cell + 2 * GROUP_PAD;

function wrapped(
  zones: Zone[],
  seats: Seats,
  memory: Memory | undefined,
  shape: 'wide' | 'tall',
  count: Steps,
): Plan {
  if (memory) {
    let plan = planned(zones, seats, memory.wrap, memory.cell, count);
    // Zones that have grown go on beside the others as long as the screen has room there.
    while (plan.wraps && plan.w / plan.h < ASPECT[shape] * ASPECT_FULL)
      plan = planned(zones, seats, plan.wrap * WRAP_STEP, memory.cell, count);
    const aspect = plan.w / plan.h / ASPECT[shape];
    const room = !plan.wraps || aspect <= ASPECT_KEPT_MAX;
    if (aspect >= ASPECT_KEPT_MIN && room) return plan;
  }
  let wrap = WRAP_MIN[shape];
  for (;;) {
    const plan = planned(zones, seats, wrap, CELL_W, count);
    if (!plan.wraps || plan.w / plan.h >= ASPECT[shape]) return plan;
    wrap *= WRAP_STEP;
  }
}

/**
 * Zones of the plant floor in columns of their own. Those of the site and the offices, which
 * stand above all of them, in the middle where the columns leave room; else in columns of their
 * own, on pages of their own. Each page is centred.
 */
function planned(
  zones: Zone[],
  seats: Seats,
  wrap: number,
  cell: number,
  count: Steps,
): Plan {
  const floor = columns(zones.filter(onFloor), wrap, cell, count);
  const above = zones.filter((zone) => !onFloor(zone));
  const rest = floor.widths.length === 1 ? nestled(above, zones, floor, cell, count) : above;
  const top = columns(rest, wrap, cell, count);
  const pages = [...top.widths, ...floor.widths];
  const plan: Plan = {
    wrap,
    stretch: 1,
    cell,
    wraps: floor.widths.length > 1 || top.widths.length > 1,
    w: Math.max(0, ...pages),
    h: 0,
    page: new Map(),
    x: new Map(),
    shelves: BANDS.map(() => pages.map(() => 0)),
  };
  for (const zone of zones) {
    const local = top.page.get(zone.key);
    const page = local ?? (floor.page.get(zone.key) ?? 0) + top.widths.length;
    const x = top.x.get(zone.key) ?? floor.x.get(zone.key) ?? 0;
    plan.page.set(zone.key, page);
    plan.x.set(zone.key, x + Math.round((plan.w - (pages[page] ?? 0)) / 2));
    for (const band of zone.bands.keys()) {
      const shelf = plan.shelves[band];
      const rows = seats.rows.get(groupKey(zone.key, band)) ?? 0;
      if (shelf) shelf[page] = Math.max(shelf[page] ?? 0, rows);
    }
  }
  for (const shelf of plan.shelves) plan.h += bandHeight(shelf);
  return plan;
}

const FLOOR_BAND = bandOf(2);

const onFloor = (zone: Zone): boolean =>
  [...zone.bands.keys()].some((band) => band >= FLOOR_BAND && BANDS[band]?.level !== null);

interface Columns {
  /** Of each page. */
  widths: number[];
  page: Map<string, number>;
  x: Map<string, number>;
}

function columns(zones: Zone[], wrap: number, cell: number, count: Steps): Columns {
  const made: Columns = { widths: [], page: new Map(), x: new Map() };
  let tracks: Track[] = [];
  let width = 0;
  for (const zone of zones) {
    const w = widthOf(zone.cells, cell);
    // A DMZ above and the operations below it can share a column.
    let track = tracks.find((other) => {
      count.steps += 1;
      return w <= other.w && apart(zone, other.bands);
    });
    if (tracks.length === 0 || (!track && width + COLUMN_GAP + w > wrap)) {
      made.widths.push(0);
      tracks = [];
      width = 0;
      track = undefined;
    }
    if (!track) {
      track = { x: width === 0 ? 0 : width + COLUMN_GAP, w, bands: new Set() };
      width = track.x + w;
      tracks.push(track);
    }
    made.widths[made.widths.length - 1] = width;
    made.page.set(zone.key, made.widths.length - 1);
    made.x.set(zone.key, track.x + Math.round((track.w - w) / 2));
    for (const band of zone.bands.keys()) track.bands.add(band);
  }
  return made;
}

const apart = (zone: Zone, bands: ReadonlySet<number>): boolean =>
  [...zone.bands.keys()].every((band) => !bands.has(band));

/** Puts zones between those that are placed, near the middle; returns those without a gap. */
function nestled(
  above: Zone[],
  all: Zone[],
  floor: Columns,
  cell: number,
  count: Steps,
): Zone[] {
  const width = floor.widths[0] ?? 0;
  /** Zones that could change places with each other. */
  const alike = new Map<string, { zones: Zone[]; x: number[] }>();
  const rest = above.filter((zone) => {
    const w = widthOf(zone.cells, cell);
    const bands = new Set(zone.bands.keys());
    const taken: [number, number][] = [];
    for (const other of all) {
      count.steps += 1;
      const x = floor.x.get(other.key);
      if (x === undefined || apart(other, bands)) continue;
      taken.push([x - COLUMN_GAP - w, x + widthOf(other.cells, cell) + COLUMN_GAP]);
    }
    const middle = (width - w) / 2;
    const free = (x: number): boolean =>
      x >= 0 && x + w <= width && taken.every(([from, to]) => x <= from || x >= to);
    const x = [middle, ...taken.flat()]
      .filter(free)
      .sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle) || a - b)[0];
    if (x === undefined) return true;
    floor.x.set(zone.key, Math.round(x));
    floor.page.set(zone.key, 0);
    const kind = `${w} ${[...bands].sort().join()}`;
    const group = alike.get(kind) ?? { zones: [], x: [] };
    alike.set(kind, { zones: [...group.zones, zone], x: [...group.x, Math.round(x)] });
    return false;
  });
  for (const { zones, x } of alike.values()) {
    x.sort((a, b) => a - b);
    zones.forEach((zone, at) => floor.x.set(zone.key, x[at] ?? 0));
  }
  return rest;
}

const shelfHeight = (rows: number): number => rows * CELL_H + GROUP_HEAD + GROUP_PAD;

function bandHeight(shelf: readonly number[]): number {
  const used = shelf.filter((rows) => rows > 0);
  if (used.length === 0) return EMPTY_BAND_H;
  const inside = used.reduce((sum, rows) => sum + shelfHeight(rows), 0);
  return inside + (used.length - 1) * SHELF_GAP + 2 * BAND_PAD;
}

function placed(
  nodes: readonly MapNode[],
  zones: Zone[],
  seats: Seats,
  plan: Plan,
  count: Steps,
): Layout {
  const result: Layout = {
    w: Math.max(plan.w, WRAP_MIN.tall),
    h: plan.h,
    bands: [],
    groups: [],
    cell: plan.cell,
    x: new Float32Array(nodes.length),
    y: new Float32Array(nodes.length),
    of: new Int32Array(nodes.length),
    memory: {
      places: new Map(),
      columns: new Map(),
      wrap: plan.wrap,
      stretch: plan.stretch,
      cell: plan.cell,
    },
    steps: 0,
  };
  for (const zone of zones) result.memory.columns.set(zone.key, zone.cells);
  let top = 0;
  plan.shelves.forEach((shelf, band) => {
    const h = bandHeight(shelf);
    let y = top + BAND_PAD;
    let members = 0;
    shelf.forEach((rows, page) => {
      if (rows === 0) return;
      for (const zone of zones) {
        count.steps += 1;
        const list = zone.bands.get(band);
        if (!list || plan.page.get(zone.key) !== page) continue;
        members += list.length;
        const box = {
          x: plan.x.get(zone.key) ?? 0,
          y,
          w: widthOf(zone.cells, plan.cell),
          h: shelfHeight(rows),
        };
        put(result, {
          ...box,
          key: groupKey(zone.key, band),
          label: zone.label,
          short: zone.short,
          band,
          nodes: list,
        });
      }
      y += shelfHeight(rows) + SHELF_GAP;
    });
    result.bands.push({ y: top, h, nodes: members });
    top += h;
  });
  result.steps = count.steps + nodes.length;
  return result;

  function put(into: Layout, group: Group): void {
    const at = into.groups.length;
    into.groups.push(group);
    for (const index of group.nodes) {
      const column = seats.column[index] ?? 0;
      const row = seats.row[index] ?? 0;
      into.x[index] = group.x + GROUP_PAD + (column + 0.5) * plan.cell;
      into.y[index] = group.y + GROUP_HEAD + (row + 0.5) * CELL_H - LIFT;
      into.of[index] = at;
      const id = nodes[index]?.id;
      if (id !== undefined) into.memory.places.set(id, { group: group.key, column, row });
    }
    // Reading order, for the keyboard and the list.
    const cells = columnsOf(group);
    group.nodes.sort((a, b) => order(a, cells) - order(b, cells));
  }
  function columnsOf(group: Group): number {
    return Math.round((group.w - 2 * GROUP_PAD) / plan.cell);
  }
  function order(index: number, cells: number): number {
    return (seats.row[index] ?? 0) * cells + (seats.column[index] ?? 0);
  }
}
