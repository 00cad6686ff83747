// Where the map is looked at from: `screen = (world - corner) * zoom`.
// Not here: input. Invariant: zoom stays within its limits, and the point zoomed at stays where it is.

import type { Box } from './layout';

export interface Camera {
  /** World coordinates of the left upper corner. */
  x: number;
  y: number;
  k: number;
}

export interface Size {
  w: number;
  h: number;
}

/** Screen that other things cover, in pixels. */
export interface Insets {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export const ZOOM_MIN = 0.03;
export const ZOOM_MAX = 3;

export const clampZoom = (k: number): number => Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, k));

export function zoomAt(camera: Camera, factor: number, sx: number, sy: number): Camera {
  const k = clampZoom(camera.k * factor);
  return { x: camera.x + sx / camera.k - sx / k, y: camera.y + sy / camera.k - sy / k, k };
}

export function panBy(camera: Camera, dx: number, dy: number): Camera {
  return { ...camera, x: camera.x - dx / camera.k, y: camera.y - dy / camera.k };
}

/** Shows all of a box, in the middle of what is not covered. */
export function fit(box: Box, size: Size, insets: Insets, most = 1.25): Camera {
  const w = Math.max(60, size.w - insets.left - insets.right);
  const h = Math.max(60, size.h - insets.top - insets.bottom);
  const k = Math.min(most, clampZoom(Math.min(w / Math.max(1, box.w), h / Math.max(1, box.h))));
  return {
    x: box.x + box.w / 2 - (insets.left + w / 2) / k,
    y: box.y + box.h / 2 - (insets.top + h / 2) / k,
    k,
  };
}

/** Keeps some of the map in sight: a quarter of the screen at least. */
export function held(camera: Camera, world: Size, size: Size): Camera {
  const mx = size.w / camera.k;
  const my = size.h / camera.k;
  const within = (value: number, span: number, extent: number) =>
    Math.min(Math.max(value, -span * 0.75), extent - span * 0.25);
  return { ...camera, x: within(camera.x, mx, world.w), y: within(camera.y, my, world.h) };
}

export const eased = (t: number): number => (t < 0.5 ? 4 * t * t * t : 1 - (-2 * t + 2) ** 3 / 2);

/** Between two cameras; zooms out on the way where they are far apart. */
export function flight(from: Camera, to: Camera, size: Size, t: number): Camera {
  if (t >= 1) return to;
  const e = eased(Math.max(0, t));
  const middle = (c: Camera): [number, number] => [c.x + size.w / 2 / c.k, c.y + size.h / 2 / c.k];
  const [ax, ay] = middle(from);
  const [bx, by] = middle(to);
  const distance = Math.hypot((bx - ax) / size.w, (by - ay) / size.h) * Math.min(from.k, to.k);
  const dip = 1 - Math.min(0.55, Math.max(0, distance - 0.6) * 0.35) * Math.sin(Math.PI * e);
  const k = clampZoom(Math.exp(Math.log(from.k) * (1 - e) + Math.log(to.k) * e) * dip);
  const cx = ax + (bx - ax) * e;
  const cy = ay + (by - ay) * e;
  return { x: cx - size.w / 2 / k, y: cy - size.h / 2 / k, k };
}

/** Milliseconds a flight takes. */
export function flightTime(from: Camera, to: Camera, size: Size): number {
  const zoom = Math.abs(Math.log(to.k / from.k));
  const k = Math.min(from.k, to.k);
  const way =
    (Math.hypot(to.x - from.x, to.y - from.y) * k) / Math.max(1, Math.hypot(size.w, size.h));
  return Math.min(900, 220 + zoom * 160 + way * 260);
}
