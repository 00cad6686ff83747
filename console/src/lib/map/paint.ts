// Draws a scene as a camera sees it: bands, groups, links, assets, labels, in this order.
// Not here: when it is drawn, and what moves. Invariant: it yields after bounded work, so that a
// large map is drawn over several frames and never stops the page.

import type { Camera, Size } from './camera';
import { pointOn, STRIDE } from './curves';
import { iconOf } from './icons';
import { BELOW, CELL_H, CELL_W, type Group } from './layout';
import { BANDS, labelOf, severityRank } from './model';
import { FAMILIES } from './protocols';
import type { Scene } from './scene';
import { badge, badgeSize, chevron, ICON_PX_MIN, tile } from './shapes';
import type { Surface } from './surface';
import type { Measure } from './text';
import type { Theme } from './theme';

/** What stands out; everything else steps back. */
export interface Emphasis {
  nodes: ReadonlySet<number>;
  edges: ReadonlySet<number>;
  bundles: ReadonlySet<number>;
}

export interface Picture {
  scene: Scene;
  camera: Camera;
  size: Size;
  theme: Theme;
  measure: Measure;
  emphasis: Emphasis | null;
  /** Filtered-out assets as shadows, or not at all. */
  shadows: boolean;
}

/** Zoom below which groups are drawn as one thing each. */
const COLLAPSE_CELL_PX = 23;
const COLLAPSE_NODES_MIN = 150;
const CHUNK = 40;
const DASHED_MAX = 700;
const BACK = 0.13;

export function isCollapsed(scene: Scene, k: number): boolean {
  return CELL_W * k < COLLAPSE_CELL_PX && scene.nodes.length > COLLAPSE_NODES_MIN;
}

export const tileSize = (k: number): number => Math.min(60, Math.max(6, 44 * k));

export function* paint(to: Surface, picture: Picture): Generator<void, void, void> {
  const { theme, size } = picture;
  to.globalAlpha = 1;
  to.setLineDash([]);
  to.fillStyle = theme.background;
  to.beginPath();
  to.rect(0, 0, size.w, size.h);
  to.fill();
  bands(to, picture);
  if (isCollapsed(picture.scene, picture.camera.k)) {
    yield* bundles(to, picture);
    yield* sums(to, picture);
    return;
  }
  groups(to, picture);
  yield;
  yield* links(to, picture);
  yield* assets(to, picture);
  yield* labels(to, picture);
}

const sx = (p: Picture, x: number): number => (x - p.camera.x) * p.camera.k;
const sy = (p: Picture, y: number): number => (y - p.camera.y) * p.camera.k;

function bands(to: Surface, p: Picture): void {
  p.scene.layout.bands.forEach((band, at) => {
    const top = sy(p, band.y);
    const bottom = sy(p, band.y + band.h);
    if (bottom < 0 || top > p.size.h) return;
    if (at % 2 === 0) {
      to.fillStyle = p.theme.band;
      to.beginPath();
      to.rect(0, top, p.size.w, bottom - top);
      to.fill();
    }
    to.strokeStyle = p.theme.line;
    to.lineWidth = 1;
    to.beginPath();
    to.moveTo(0, Math.round(bottom) + 0.5);
    to.lineTo(p.size.w, Math.round(bottom) + 0.5);
    to.stroke();
  });
}

/** A badge and a title reach a little beyond their group. */
const RIM = 16;

function visible(p: Picture, group: Group): boolean {
  const left = sx(p, group.x) - RIM;
  const top = sy(p, group.y) - RIM;
  const right = sx(p, group.x + group.w) + RIM;
  const bottom = sy(p, group.y + group.h) + RIM;
  return left < p.size.w && top < p.size.h && right > 0 && bottom > 0;
}

function groupBox(to: Surface, p: Picture, group: Group): void {
  const { k } = p.camera;
  to.fillStyle = p.theme.group;
  to.strokeStyle = p.theme.groupLine;
  to.lineWidth = 1;
  to.beginPath();
  to.roundRect(sx(p, group.x), sy(p, group.y), group.w * k, group.h * k, Math.min(10, 14 * k));
  to.fill();
  to.stroke();
}

function groups(to: Surface, p: Picture): void {
  p.scene.layout.groups.forEach((group, at) => {
    if (!visible(p, group)) return;
    const empty = p.scene.sums[at]?.kept === 0;
    if (empty && !p.shadows) return;
    to.globalAlpha = empty ? 0.4 : 1;
    groupBox(to, p, group);
  });
  to.globalAlpha = 1;
}

/** Links of one colour and width are one stroke: where they overlap they do not add up. */
function* links(to: Surface, p: Picture): Generator<void, void, void> {
  const { scene, emphasis } = p;
  const back: number[] = [];
  const front: number[] = [];
  for (let at = 0; at < scene.edges.length; at += 1) {
    if (!scene.kept.edges[at] || !curveVisible(p, scene.curves, at)) continue;
    if (emphasis && !emphasis.edges.has(at)) back.push(at);
    else front.push(at);
  }
  const crowd = front.length > 3_000 ? 0.34 : front.length > 600 ? 0.46 : 0.62;
  yield* strokes(to, p, back, BACK * 0.8);
  yield* strokes(to, p, front, emphasis ? 0.92 : crowd);
  if (p.camera.k < 0.42) return;
  to.globalAlpha = emphasis ? 1 : 0.85;
  for (let n = 0; n < front.length; n += 1) {
    const at = front[n] ?? 0;
    if (scene.changes[at]) head(to, p, at);
    if (n % (CHUNK * 4) === 0) yield;
  }
  to.globalAlpha = 1;
}

function curveVisible(p: Picture, curves: Float32Array, at: number): boolean {
  const { k, x, y } = p.camera;
  const right = x + p.size.w / k;
  const bottom = y + p.size.h / k;
  let l = Infinity;
  let r = -Infinity;
  let t = Infinity;
  let b = -Infinity;
  for (let i = at * STRIDE; i < (at + 1) * STRIDE; i += 2) {
    const px = curves[i] ?? 0;
    const py = curves[i + 1] ?? 0;
    if (px < l) l = px;
    if (px > r) r = px;
    if (py < t) t = py;
    if (py > b) b = py;
  }
  return l < right && r > x && t < bottom && b > y;
}

export function trace(to: Surface, p: Picture, curves: Float32Array, at: number): void {
  const i = at * STRIDE;
  const c = (n: number): number =>
    n % 2 === 0 ? sx(p, curves[i + n] ?? 0) : sy(p, curves[i + n] ?? 0);
  to.moveTo(c(0), c(1));
  to.bezierCurveTo(c(2), c(3), c(4), c(5), c(6), c(7));
}

function* strokes(
  to: Surface,
  p: Picture,
  edges: number[],
  alpha: number,
): Generator<void, void, void> {
  const { scene, theme } = p;
  const thin = Math.min(1, Math.max(0.5, 0.35 + p.camera.k * 0.8));
  const width = (at: number): number =>
    Math.max(0.6, Math.round((scene.width[at] ?? 1) * thin * 2) / 2);
  const rank = (at: number): number => (FAMILIES[scene.family[at] ?? 0]?.ot ? 100 : 0) + width(at);
  // Control above the rest, strong above weak.
  const bucket = (at: number): string => `${scene.family[at] ?? 0} ${width(at)}`;
  const buckets = new Map<string, number[]>();
  for (const at of edges) {
    const key = bucket(at);
    const list = buckets.get(key);
    if (list) list.push(at);
    else buckets.set(key, [at]);
  }
  // Dashes cost most of all there is to draw, and in a crowd nobody can tell them apart.
  const dashed = edges.length <= DASHED_MAX && p.camera.k > 0.3;
  const lists = [...buckets.values()].sort((a, b) => rank(a[0] ?? 0) - rank(b[0] ?? 0));
  for (const list of lists) {
    const family = scene.family[list[0] ?? 0] ?? 0;
    for (let from = 0; from < list.length; from += CHUNK) {
      to.strokeStyle = theme.families[family] ?? theme.muted;
      to.lineWidth = width(list[0] ?? 0);
      // What every machine does all day stays behind what it is there for.
      to.globalAlpha = FAMILIES[family]?.plain ? alpha * 0.7 : alpha;
      to.setLineDash(dashed ? [...(FAMILIES[family]?.dash ?? [])] : []);
      to.beginPath();
      for (const at of list.slice(from, from + CHUNK)) trace(to, p, scene.curves, at);
      to.stroke();
      yield;
    }
  }
  to.setLineDash([]);
  to.globalAlpha = 1;
}

/** Where a link changes devices: which way. */
export function head(to: Surface, p: Picture, at: number): void {
  const { scene, theme } = p;
  const client = scene.edges[at]?.client;
  if (client === null || client === undefined) return;
  const forth = scene.nodes[scene.from[at] ?? 0]?.id === client;
  const [x0, y0] = pointOn(scene.curves, at * STRIDE, forth ? 0.48 : 0.52);
  const [x1, y1] = pointOn(scene.curves, at * STRIDE, forth ? 0.52 : 0.48);
  to.strokeStyle = theme.families[scene.family[at] ?? 0] ?? theme.muted;
  to.lineWidth = 1.8;
  chevron(to, sx(p, (x0 + x1) / 2), sy(p, (y0 + y1) / 2), Math.atan2(y1 - y0, x1 - x0), 7);
}

function* assets(to: Surface, p: Picture): Generator<void, void, void> {
  const { scene } = p;
  const size = tileSize(p.camera.k);
  let drawn = 0;
  for (const group of scene.layout.groups) {
    if (!visible(p, group)) continue;
    for (const index of group.nodes) {
      const x = sx(p, scene.layout.x[index] ?? 0);
      const y = sy(p, scene.layout.y[index] ?? 0);
      if (x < -size || y < -size || x > p.size.w + size || y > p.size.h + size) continue;
      if (!scene.kept.nodes[index] && !p.shadows) continue;
      drawAsset(to, p, index, x, y, size);
      drawn += 1;
      if (drawn % CHUNK === 0) yield;
    }
  }
  to.globalAlpha = 1;
}

function strength(p: Picture, index: number): number {
  if (!p.scene.kept.nodes[index]) return 0.14;
  if (p.emphasis && !p.emphasis.nodes.has(index)) return 0.26;
  return p.scene.quiet[index] ? 0.55 : 1;
}

export function drawAsset(
  to: Surface,
  p: Picture,
  index: number,
  x: number,
  y: number,
  size: number,
): void {
  const node = p.scene.nodes[index];
  if (!node) return;
  const alpha = strength(p, index);
  if (alpha < 1) {
    // Links end beneath a tile; they must not shine through a pale one.
    to.globalAlpha = 1;
    to.fillStyle = p.theme.group;
    to.beginPath();
    to.circle(x, y, size * 0.44);
    to.fill();
  }
  to.globalAlpha = alpha;
  tile(to, p.theme, node, x, y, size);
  if (node.severity !== null && node.findings > 0 && p.scene.kept.nodes[index]) {
    const px = badgeSize(size, node.severity);
    const offset = size / 2 - px * 0.1;
    to.globalAlpha = Math.max(alpha, 0.4);
    badge(to, p.theme, node.severity, node.findings, x + offset, y - offset, px);
  }
  to.globalAlpha = 1;
}

const label = (p: Picture): string =>
  `500 ${p.camera.k >= 1.25 ? 12 : p.camera.k < 0.8 ? 10 : 11}px ${p.theme.font}`;

function* labels(to: Surface, p: Picture): Generator<void, void, void> {
  titles(to, p);
  yield;
  const cell = CELL_W * p.camera.k;
  if (cell >= 47) yield* labelsInCells(to, p, cell);
  else yield* labelsWhereRoom(to, p);
  to.globalAlpha = 1;
}

/** Ground for a text, so that the links behind it do not make it unreadable. */
function plate(to: Surface, p: Picture, x: number, y: number, w: number, h: number): void {
  to.globalAlpha = 0.84;
  to.fillStyle = p.theme.group;
  to.beginPath();
  to.roundRect(x, y, w, h, 3);
  to.fill();
  to.globalAlpha = 1;
}

function titles(to: Surface, p: Picture): void {
  const { scene, camera } = p;
  to.textAlign = 'left';
  to.textBaseline = 'middle';
  scene.layout.groups.forEach((group, at) => {
    const sum = scene.sums[at];
    if (!visible(p, group) || !sum || (sum.kept === 0 && !p.shadows)) return;
    const px = camera.k >= 0.8 ? 11 : 10;
    const room = group.w * camera.k - 14;
    if (camera.k < 0.3 || room < 34) return;
    const font = `600 ${px}px ${p.theme.font}`;
    const count = ` ${sum.kept}`;
    const countWidth = p.measure.width(font, count) + 4;
    const whole = p.measure.width(font, group.label) <= room - countWidth;
    const name = whole ? group.label : group.short;
    const text = p.measure.short(font, name, room - countWidth);
    const x = sx(p, group.x) + 8;
    // Small groups have it on their upper edge, like a fieldset: inside there is no room.
    const y = sy(p, group.y) + (camera.k >= 0.5 ? Math.max(8, 12 * camera.k) : 0);
    plate(to, p, x - 3, y - 7, p.measure.width(font, text) + countWidth + 6, 14);
    to.font = font;
    to.globalAlpha = sum.kept === 0 ? 0.5 : 1;
    to.fillStyle = p.theme.muted;
    to.fillText(text, x, y);
    to.globalAlpha *= 0.75;
    to.fillText(count, x + p.measure.width(font, text) + 3, y);
  });
  to.globalAlpha = 1;
}

function* labelsInCells(to: Surface, p: Picture, cell: number): Generator<void, void, void> {
  const { scene, camera, measure, theme } = p;
  const font = label(p);
  const line = camera.k >= 1.25 ? 14 : camera.k < 0.8 ? 11.5 : 12.5;
  const size = tileSize(camera.k);
  // From below the tile to the end of the cell.
  const room = Math.max(1, Math.floor((BELOW * camera.k - size / 2 - 1) / line));
  let drawn = 0;
  to.textAlign = 'center';
  to.textBaseline = 'top';
  for (const group of scene.layout.groups) {
    if (!visible(p, group)) continue;
    for (const index of group.nodes) {
      const node = scene.nodes[index];
      const x = sx(p, scene.layout.x[index] ?? 0);
      const y = sy(p, scene.layout.y[index] ?? 0) + size / 2 + 3;
      if (
        !node ||
        !scene.kept.nodes[index] ||
        x < -cell ||
        x > p.size.w + cell ||
        y > p.size.h ||
        y < -60
      )
        continue;
      const most = cell - 6;
      const name = labelOf(node);
      const lines = room > 1 ? measure.lines(font, name, most) : [measure.short(font, name, most)];
      const small = `400 ${camera.k >= 1.25 ? 11 : 10}px ${theme.font}`;
      const shown = node.ip !== null && lines.length < room && node.ip !== name;
      const ip = shown ? measure.short(small, node.ip ?? '', most) : '';
      let wide = ip ? measure.width(small, ip) : 0;
      for (const text of lines) wide = Math.max(wide, measure.width(font, text));
      plate(to, p, x - wide / 2 - 3, y - 1, wide + 6, (lines.length + (ip ? 1 : 0)) * line + 1);
      to.globalAlpha = Math.max(strength(p, index), 0.22);
      to.font = font;
      to.fillStyle = theme.ink;
      lines.forEach((text, n) => to.fillText(text, x, y + n * line));
      if (ip) {
        to.font = small;
        to.fillStyle = theme.muted;
        to.fillText(ip, x, y + lines.length * line);
      }
      drawn += 1;
      if (drawn % CHUNK === 0) yield;
    }
  }
}

const orders = new WeakMap<Scene, number[]>();

/** Assets whose names matter most: with findings, then with many links. */
function importance(scene: Scene): number[] {
  let order = orders.get(scene);
  if (!order) {
    const weight = (index: number): number =>
      severityRank(scene.nodes[index]?.severity ?? null) * 1_000 +
      (scene.links[index]?.length ?? 0);
    order = scene.nodes.map((_, index) => index).sort((a, b) => weight(b) - weight(a) || a - b);
    orders.set(scene, order);
  }
  return order;
}

interface Fitted {
  index: number;
  text: string;
  w: number;
}

const fits = new WeakMap<Scene, { key: string; labels: Fitted[] }>();

/**
 * The names that matter most, as long as they hit nothing. Chosen for the whole map and not for
 * what is seen of it, so that names do not come and go while it is moved.
 */
function fitted(p: Picture, font: string, size: number): Fitted[] {
  const { scene, camera, measure, emphasis } = p;
  const key = `${camera.k} ${font} ${emphasis ? [...emphasis.nodes].join() : ''}`;
  const known = fits.get(scene);
  if (known?.key === key) return known.labels;
  const labels: Fitted[] = [];
  const taken = new Taken();
  for (const index of importance(scene)) {
    const node = scene.nodes[index];
    if (!node || !scene.kept.nodes[index]) continue;
    if (emphasis && !emphasis.nodes.has(index)) continue;
    const text = measure.short(font, labelOf(node), 110);
    const w = measure.width(font, text);
    const x = (scene.layout.x[index] ?? 0) * camera.k;
    const y = (scene.layout.y[index] ?? 0) * camera.k + size / 2 + 2;
    if (taken.take(x - w / 2 - 3, y, w + 6, 12)) labels.push({ index, text, w });
  }
  fits.set(scene, { key, labels });
  return labels;
}

function* labelsWhereRoom(to: Surface, p: Picture): Generator<void, void, void> {
  const { scene, camera, theme } = p;
  const size = tileSize(camera.k);
  const font = `500 10px ${theme.font}`;
  // Nothing may cover the tiles below: the gap between two rows is what there is.
  if (size < 9 || CELL_H * camera.k - size < 12) return;
  let drawn = 0;
  for (const { index, text, w } of fitted(p, font, size)) {
    const x = sx(p, scene.layout.x[index] ?? 0);
    const y = sy(p, scene.layout.y[index] ?? 0) + size / 2 + 2;
    if (x < -w || x > p.size.w + w || y < -12 || y > p.size.h) continue;
    plate(to, p, x - w / 2 - 2, y, w + 4, 12);
    to.globalAlpha = 1;
    to.font = font;
    to.textAlign = 'center';
    to.textBaseline = 'top';
    to.fillStyle = theme.ink;
    to.fillText(text, x, y + 1);
    drawn += 1;
    if (drawn % CHUNK === 0) yield;
  }
}

/** Rectangles that are taken, by squares of the screen. */
export class Taken {
  private readonly squares = new Map<number, [number, number, number, number][]>();

  take(x: number, y: number, w: number, h: number): boolean {
    const keys: number[] = [];
    for (let gx = Math.floor(x / 64); gx <= Math.floor((x + w) / 64); gx += 1) {
      for (let gy = Math.floor(y / 64); gy <= Math.floor((y + h) / 64); gy += 1) {
        const key = gx * 100_003 + gy;
        const hit = this.squares
          .get(key)
          ?.some((o) => x < o[0] + o[2] && o[0] < x + w && y < o[1] + o[3] && o[1] < y + h);
        if (hit) return false;
        keys.push(key);
      }
    }
    for (const key of keys) {
      const list = this.squares.get(key);
      if (list) list.push([x, y, w, h]);
      else this.squares.set(key, [[x, y, w, h]]);
    }
    return true;
  }
}

function* bundles(to: Surface, p: Picture): Generator<void, void, void> {
  const { scene, theme, emphasis } = p;
  const alpha = scene.bundles.length > 1_500 ? 0.35 : 0.5;
  for (let at = 0; at < scene.bundles.length; at += 1) {
    const bundle = scene.bundles[at];
    if (!bundle || !curveVisible(p, scene.bundleCurves, at)) continue;
    const front = emphasis === null || emphasis.bundles.has(at);
    to.globalAlpha = front ? (emphasis ? 0.9 : alpha) : BACK * 0.7;
    to.strokeStyle = theme.families[bundle.family] ?? theme.muted;
    to.lineWidth = bundle.width * Math.min(1, 0.35 + p.camera.k * 3);
    to.beginPath();
    trace(to, p, scene.bundleCurves, at);
    to.stroke();
    if (at % CHUNK === 0) yield;
  }
  to.globalAlpha = 1;
}

function* sums(to: Surface, p: Picture): Generator<void, void, void> {
  const { scene } = p;
  for (let at = 0; at < scene.layout.groups.length; at += 1) {
    const group = scene.layout.groups[at];
    if (!group || !visible(p, group)) continue;
    if (scene.sums[at]?.kept === 0 && !p.shadows) continue;
    const back = p.emphasis && !group.nodes.some((index) => p.emphasis?.nodes.has(index));
    to.globalAlpha = scene.sums[at]?.kept === 0 ? 0.3 : back ? 0.45 : 1;
    groupBox(to, p, group);
    sumText(to, p, group, at);
    if (at % CHUNK === 0) yield;
  }
  to.globalAlpha = 1;
}

/** A far group: its name, how many assets, of which classes, and its worst finding. */
function sumText(to: Surface, p: Picture, group: Group, at: number): void {
  const { camera, theme, measure } = p;
  const sum = p.scene.sums[at];
  const w = group.w * camera.k;
  const h = group.h * camera.k;
  const x = sx(p, group.x);
  const y = sy(p, group.y);
  if (!sum || w < 12 || h < 9) return;
  const worst = sum.findings > 0 ? sum.severity : null;
  const px = Math.min(18, Math.max(7, h * 0.28));
  const small = w >= 90 && h >= 40 ? 11 : 9;
  const titled = h >= 26 && w >= 40;
  const middle = y + (titled ? (h + small + 2) / 2 : h / 2);
  const big = Math.max(8, Math.min(22, h * (titled ? 0.4 : 0.5), w * 0.34));
  const top = sum.classes[0]?.[0] ?? 'unknown';
  const count = String(sum.kept);
  const font = `650 ${Math.round(big)}px ${theme.font}`;
  const icon = w >= 40 && h >= 18 && sum.kept > 0 ? Math.min(20, big * 1.15) : 0;
  const wide = measure.width(font, count) + (icon > 0 ? icon + 4 : 0);
  let left = x + (w - wide) / 2;
  if (icon > 0) {
    to.strokeStyle = theme.muted;
    to.lineWidth = 1.2;
    to.lineCap = 'round';
    to.icon(iconOf(top), left + icon / 2, middle, icon);
    to.lineCap = 'butt';
    left += icon + 4;
  }
  to.textAlign = 'left';
  to.textBaseline = 'middle';
  if (sum.kept > 0) {
    to.font = font;
    to.fillStyle = theme.ink;
    to.fillText(count, left, middle + 0.5);
  }
  if (titled) {
    const face = `500 ${small}px ${theme.font}`;
    const room = w - 8 - (worst ? px : 0);
    const label = measure.width(face, group.label) <= room ? group.label : group.short;
    to.font = face;
    to.fillStyle = theme.muted;
    to.fillText(measure.short(face, label, room), x + 5, y + small * 0.95);
  }
  if (worst) badge(to, theme, worst, sum.findings, x + w - px * 0.35, y + px * 0.3, px);
}

/** The names of the levels, which stay at the left edge however the map is moved. */
export function bandNames(to: Surface, p: Picture, short: boolean): void {
  const { theme, scene, measure } = p;
  scene.layout.bands.forEach((row, at) => {
    const band = BANDS[at];
    const top = Math.max(0, sy(p, row.y));
    const bottom = Math.min(p.size.h, sy(p, row.y + row.h));
    if (!band || bottom - top < 13) return;
    const tall = bottom - top >= 40 && !short;
    const bold = `700 12px ${theme.font}`;
    const plain = `500 11px ${theme.font}`;
    const level = band.level === null ? (short ? '?' : 'No level') : band.short;
    const name = short ? '' : band.level === null ? 'not known yet' : band.label;
    const nameWidth = measure.width(plain, name);
    const levelWidth = measure.width(bold, level);
    const w = tall
      ? Math.max(levelWidth, nameWidth) + 16
      : levelWidth + (name ? nameWidth + 6 : 0) + 16;
    const h = tall ? 36 : Math.min(22, bottom - top - 2);
    const y = (top + bottom) / 2 - h / 2;
    to.globalAlpha = row.nodes === 0 ? 0.7 : 0.92;
    to.fillStyle = theme.background;
    to.beginPath();
    to.roundRect(6, y, w, h, 6);
    to.fill();
    to.globalAlpha = 1;
    to.textAlign = 'left';
    to.textBaseline = 'middle';
    to.fillStyle = row.nodes === 0 ? theme.muted : theme.ink;
    to.font = bold;
    to.fillText(level, 14, tall ? y + 12 : y + h / 2 + 0.5);
    to.fillStyle = theme.muted;
    to.font = plain;
    if (name) to.fillText(name, tall ? 14 : 14 + levelWidth + 6, tall ? y + 26 : y + h / 2 + 0.5);
  });
}

export const iconsShown = (k: number): boolean => tileSize(k) >= ICON_PX_MIN;
