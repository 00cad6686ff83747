// Draws a scene as a camera sees it: bands, groups, links, assets, labels, in this order.
// Not here: when it is drawn, and what moves. Invariant: it yields after bounded work, so that a
// large map is drawn over several frames and never stops the page.

import { pointOn, STRIDE } from './curves';
import { iconOf } from '$lib/icons';
import { labels } from './labels';
import { isCollapsed, strength, sx, sy, tileSize, visible, type Picture } from './picture';
import type { Group } from './layout';
import { BANDS } from './model';
import { FAMILIES } from './protocols';
import { badge, badgeSize, chevron, tile } from './shapes';
import type { Surface } from './surface';

const CHUNK = 40;
/** Curves in one stroke: what is drawn by the processor shall not take a frame at once. */
const STROKE_CHUNK = 20;
const DASHED_MAX = 700;
const BACK = 0.13;
/** Width and strength of the strokes of a link that is in trouble. */
const TROUBLE = [
  [9, 0.16],
  [2.5, 0.95],
] as const;
const TROUBLE_BACK = [[2.5, 0.2]] as const;

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
  yield;
  troubles(to, p);
  if (p.camera.k < 0.42) return;
  to.globalAlpha = emphasis ? 1 : 0.85;
  for (let n = 0; n < front.length; n += 1) {
    const at = front[n] ?? 0;
    if (scene.changes[at]) head(to, p, at);
    if (n % (CHUNK * 4) === 0) yield;
  }
  to.globalAlpha = 1;
}

/** What grave findings are about lies over the other links, in the colour of the finding. */
function troubles(to: Surface, p: Picture): void {
  const { scene, theme, emphasis } = p;
  to.lineCap = 'round';
  for (const [at, severity] of p.trouble.edges) {
    if (!scene.kept.edges[at] || !curveVisible(p, scene.curves, at)) continue;
    const front = !emphasis || emphasis.edges.has(at);
    // A broad pale stroke below, or among many lines it would be one more.
    for (const [width, alpha] of front ? TROUBLE : TROUBLE_BACK) {
      to.strokeStyle = theme.severity[severity];
      to.lineWidth = width;
      to.globalAlpha = alpha;
      to.beginPath();
      trace(to, p, scene.curves, at);
      to.stroke();
    }
  }
  to.lineCap = 'butt';
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

/** How strong a link is that is longer than the screen, or than two. */
const PASSING = [1, 0.55, 0.32];

function reach(p: Picture, curves: Float32Array, at: number): number {
  const i = at * STRIDE;
  const dx = (curves[i + 6] ?? 0) - (curves[i] ?? 0);
  const dy = (curves[i + 7] ?? 0) - (curves[i + 1] ?? 0);
  const length = Math.hypot(dx, dy) * p.camera.k;
  return length < 1_100 ? 0 : length < 2_200 ? 1 : 2;
}

function* strokes(
  to: Surface,
  p: Picture,
  edges: number[],
  alpha: number,
): Generator<void, void, void> {
  const { scene, theme } = p;
  // In a crowd thin lines tell more, and are drawn faster.
  const crowd = edges.length > 2_000 ? 0.7 : 1;
  const thin = Math.min(1, Math.max(0.5, 0.35 + p.camera.k * 0.8)) * crowd;
  const width = (at: number): number =>
    Math.max(0.6, Math.round((scene.width[at] ?? 1) * thin * 2) / 2);
  const rank = (at: number): number => (FAMILIES[scene.family[at] ?? 0]?.ot ? 100 : 0) + width(at);
  // Control above the rest, strong above weak; those that only pass by below those of the place.
  const bucket = (at: number): string =>
    `${scene.family[at] ?? 0} ${width(at)} ${reach(p, scene.curves, at)}`;
  const buckets = new Map<string, number[]>();
  for (const at of edges) {
    const key = bucket(at);
    const list = buckets.get(key);
    if (list) list.push(at);
    else buckets.set(key, [at]);
  }
  // Dashes cost most of all there is to draw, and in a crowd nobody can tell them apart.
  const dashed = edges.length <= DASHED_MAX && p.camera.k > 0.3;
  const order = (list: number[]): number =>
    rank(list[0] ?? 0) - 1_000 * reach(p, scene.curves, list[0] ?? 0);
  const lists = [...buckets.values()].sort((a, b) => order(a) - order(b));
  for (const list of lists) {
    const family = scene.family[list[0] ?? 0] ?? 0;
    for (let from = 0; from < list.length; from += STROKE_CHUNK) {
      to.strokeStyle = theme.families[family] ?? theme.muted;
      to.lineWidth = width(list[0] ?? 0);
      // What every machine does all day stays behind what it is there for.
      const plain = FAMILIES[family]?.plain ? 0.7 : 1;
      to.globalAlpha =
        alpha * plain * (p.emphasis ? 1 : (PASSING[reach(p, scene.curves, list[0] ?? 0)] ?? 1));
      to.setLineDash(dashed ? [...(FAMILIES[family]?.dash ?? [])] : []);
      to.beginPath();
      for (const at of list.slice(from, from + STROKE_CHUNK)) trace(to, p, scene.curves, at);
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
  const grave = p.trouble.nodes.get(index);
  if (grave && alpha === 1) {
    to.globalAlpha = 0.2;
    to.fillStyle = p.theme.severity[grave];
    to.beginPath();
    to.circle(x, y, size * 0.82);
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
    const cut = /^[0-9a-f:.]+$/.test(label)
      ? measure.tail(face, label, room)
      : measure.short(face, label, room);
    to.fillText(cut, x + 5, y + small * 0.95);
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
