// Names: of groups, of assets near by, and between far and near those that matter most.
// Not here: the names of the levels. Invariant: no name hits another or the tile of another asset.

import { BELOW, CELL_H } from './layout';
import { labelOf, severityRank } from './model';
import { strength, sx, sy, tileSize, visible, type Picture } from './picture';
import type { Scene } from './scene';
import type { Surface } from './surface';

const CHUNK = 40;

const label = (p: Picture): string =>
  `500 ${p.camera.k >= 1.25 ? 12 : p.camera.k < 0.8 ? 10 : 11}px ${p.theme.font}`;

export function* labels(to: Surface, p: Picture): Generator<void, void, void> {
  titles(to, p);
  yield;
  const cell = p.scene.layout.cell * p.camera.k;
  // Where few stand out there is room for their whole names.
  const few = p.emphasis !== null && cell < 72;
  if (cell >= 47 && !few) yield* labelsInCells(to, p, cell);
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
