// The curve of each link, bundled by the pair of groups it joins.
// Not here: colours and widths. Invariant: a curve depends on its two assets and their groups
// only, so other links can come and go without moving it.

import type { Box, Layout } from './layout';

/** x0 y0 cx0 cy0 cx1 cy1 x1 y1 of a cubic Bézier, for each link. */
export const STRIDE = 8;

/** How far a curve is drawn to the middle of its group's bundle. */
const PULL = 0.82;

export function curve(layout: Layout, a: number, b: number, out: Float32Array, at: number): void {
  const x0 = layout.x[a] ?? 0;
  const y0 = layout.y[a] ?? 0;
  const x1 = layout.x[b] ?? 0;
  const y1 = layout.y[b] ?? 0;
  const from = layout.of[a] ?? 0;
  const to = layout.of[b] ?? 0;
  out[at] = x0;
  out[at + 1] = y0;
  out[at + 6] = x1;
  out[at + 7] = y1;
  const one = layout.groups[from];
  const two = layout.groups[to];
  if (!one || !two || from === to) inside(out, at, x0, y0, x1, y1);
  else if (overlap(one, two)) beside(out, at, one, two);
  else across(out, at, one, two);
}

/** Neighbours of a group: a bow, so that a link behind a third asset can be seen. */
function inside(
  out: Float32Array,
  at: number,
  x0: number,
  y0: number,
  x1: number,
  y1: number,
): void {
  const dx = x1 - x0;
  const dy = y1 - y0;
  const bend = Math.abs(dy) < 1 ? 0.3 : Math.abs(dx) < 1 ? 0.26 : 0.12;
  // Always to the same side, seen from the left or the top: a link and its reverse are one line.
  const side = dx > 0 || (dx === 0 && dy > 0) ? 1 : -1;
  const nx = dy * bend * side;
  const ny = -dx * bend * side;
  out[at + 2] = x0 + dx * 0.3 + nx;
  out[at + 3] = y0 + dy * 0.3 + ny;
  out[at + 4] = x0 + dx * 0.7 + nx;
  out[at + 5] = y0 + dy * 0.7 + ny;
}

const overlap = (a: Box, b: Box): boolean => a.y < b.y + b.h && b.y < a.y + a.h;
const mix = (from: number, to: number, share: number): number => from + (to - from) * share;

/** Groups on one shelf: an arc through the gap above them. */
function beside(out: Float32Array, at: number, one: Box, two: Box): void {
  const reach = Math.abs(one.x + one.w / 2 - (two.x + two.w / 2));
  const top = Math.min(one.y, two.y) - Math.min(16 + reach * 0.07, 130);
  out[at + 2] = mix(out[at] ?? 0, one.x + one.w / 2, PULL);
  out[at + 3] = top;
  out[at + 4] = mix(out[at + 6] ?? 0, two.x + two.w / 2, PULL);
  out[at + 5] = top;
}

/** Groups above each other: out of the one's near side, into the other's. */
function across(out: Float32Array, at: number, one: Box, two: Box): void {
  const down = one.y < two.y;
  const leave = down ? one.y + one.h : one.y;
  const enter = down ? two.y : two.y + two.h;
  const gap = Math.abs(enter - leave);
  const reach = Math.max(24, gap * 0.42) * (down ? 1 : -1);
  out[at + 2] = mix(out[at] ?? 0, one.x + one.w / 2, PULL);
  out[at + 3] = leave + reach;
  out[at + 4] = mix(out[at + 6] ?? 0, two.x + two.w / 2, PULL);
  out[at + 5] = enter - reach;
}

/** The curve between two groups as wholes, for the view from far away. */
export function groupCurve(one: Box, two: Box, out: Float32Array, at: number): void {
  out[at] = one.x + one.w / 2;
  out[at + 1] = one.y + one.h / 2;
  out[at + 6] = two.x + two.w / 2;
  out[at + 7] = two.y + two.h / 2;
  if (overlap(one, two)) beside(out, at, one, two);
  else across(out, at, one, two);
}

export function pointOn(curves: Float32Array, at: number, t: number): [number, number] {
  const u = 1 - t;
  const a = u * u * u;
  const b = 3 * u * u * t;
  const c = 3 * u * t * t;
  const d = t * t * t;
  const axis = (k: number) =>
    a * (curves[at + k] ?? 0) +
    b * (curves[at + k + 2] ?? 0) +
    c * (curves[at + k + 4] ?? 0) +
    d * (curves[at + k + 6] ?? 0);
  return [axis(0), axis(1)];
}

/** Distance of a point to a curve, exact to a pixel or so; gives up above `most`. */
export function distanceTo(
  curves: Float32Array,
  at: number,
  x: number,
  y: number,
  most: number,
): number {
  let left = Infinity;
  let right = -Infinity;
  let top = Infinity;
  let bottom = -Infinity;
  for (let k = 0; k < STRIDE; k += 2) {
    const px = curves[at + k] ?? 0;
    const py = curves[at + k + 1] ?? 0;
    left = Math.min(left, px);
    right = Math.max(right, px);
    top = Math.min(top, py);
    bottom = Math.max(bottom, py);
  }
  // A Bézier curve stays inside the hull of its points.
  if (x < left - most || x > right + most || y < top - most || y > bottom + most) return Infinity;
  let best = Infinity;
  let [px, py] = pointOn(curves, at, 0);
  const parts = 24;
  for (let part = 1; part <= parts; part += 1) {
    const [qx, qy] = pointOn(curves, at, part / parts);
    best = Math.min(best, toSegment(x, y, px, py, qx, qy));
    px = qx;
    py = qy;
  }
  return best;
}

function toSegment(x: number, y: number, ax: number, ay: number, bx: number, by: number): number {
  const dx = bx - ax;
  const dy = by - ay;
  const length = dx * dx + dy * dy;
  const t = length === 0 ? 0 : Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / length));
  return Math.hypot(x - (ax + dx * t), y - (ay + dy * t));
}
