// What changes from frame to frame and lies over the drawing: what the pointer is on, the focus,
// rings around what is new, drops along links that speak.
// Not here: the drawing itself. Invariant: bounded work, however many links an asset has.

import { pointOn, STRIDE } from './curves';
import { classInfo } from './model';
import { drawAsset, head, trace } from './paint';
import { isCollapsed, tileSize, type Picture } from './picture';
import type { Scene } from './scene';
import { outline } from './shapes';
import type { Surface } from './surface';

export type Target =
  | { kind: 'node'; index: number }
  | { kind: 'edges'; edges: number[] }
  | { kind: 'group'; group: number }
  | { kind: 'bundle'; bundle: number };

export interface Pulse {
  kind: 'ring' | 'drop';
  /** Asset, or link. */
  at: number;
  forth: boolean;
  since: number;
}

const RING_MS = 1_400;
const DROP_MS = 900;
const LINES_MAX = 250;

export const isOver = (pulse: Pulse, now: number): boolean =>
  now - pulse.since >= (pulse.kind === 'ring' ? RING_MS : DROP_MS);

const onScreen = (p: Picture, x: number, y: number): [number, number] => [
  (x - p.camera.x) * p.camera.k,
  (y - p.camera.y) * p.camera.k,
];

export function hovering(to: Surface, p: Picture, target: Target): void {
  const { scene, theme, camera } = p;
  if (!isCollapsed(scene, camera.k)) {
    near(to, p, target);
    return;
  }
  to.strokeStyle = theme.accent;
  to.lineWidth = 2;
  if (target.kind === 'bundle') {
    to.lineWidth = (scene.bundles[target.bundle]?.width ?? 1) + 1.5;
    to.beginPath();
    trace(to, p, scene.bundleCurves, target.bundle);
    to.stroke();
  }
  const group = target.kind === 'group' ? scene.layout.groups[target.group] : undefined;
  if (!group) return;
  const [x, y] = onScreen(p, group.x, group.y);
  to.beginPath();
  to.roundRect(x, y, group.w * camera.k, group.h * camera.k, Math.min(10, 14 * camera.k));
  to.stroke();
}

function near(to: Surface, p: Picture, target: Target): void {
  const { scene, theme } = p;
  let lines: number[] = [];
  if (target.kind === 'node') {
    lines = (scene.links[target.index] ?? []).filter((at) => scene.kept.edges[at]);
  } else if (target.kind === 'edges') lines = target.edges;
  const ends = new Set<number>(target.kind === 'node' ? [target.index] : []);
  for (const at of lines.slice(0, LINES_MAX)) {
    to.strokeStyle = theme.families[scene.family[at] ?? 0] ?? theme.accent;
    to.lineWidth = Math.max(1.6, scene.width[at] ?? 1);
    to.globalAlpha = 0.95;
    to.beginPath();
    trace(to, p, scene.curves, at);
    to.stroke();
    if (p.camera.k > 0.35) head(to, p, at);
    ends.add(scene.from[at] ?? 0);
    ends.add(scene.to[at] ?? 0);
  }
  to.globalAlpha = 1;
  const size = tileSize(p.camera.k);
  const plain = { ...p, emphasis: null };
  for (const index of ends) {
    const [x, y] = onScreen(p, scene.layout.x[index] ?? 0, scene.layout.y[index] ?? 0);
    drawAsset(to, plain, index, x, y, size);
  }
  if (target.kind === 'node') ring(to, p, target.index, 3, 2, 1);
}

/** A line around an asset, in the shape of its tile. */
export function ring(
  to: Surface,
  p: Picture,
  index: number,
  gap: number,
  width: number,
  alpha: number,
): void {
  const node = p.scene.nodes[index];
  if (!node) return;
  const [x, y] = onScreen(p, p.scene.layout.x[index] ?? 0, p.scene.layout.y[index] ?? 0);
  to.globalAlpha = alpha;
  to.strokeStyle = p.theme.accent;
  to.lineWidth = width;
  to.setLineDash([]);
  to.beginPath();
  outline(to, classInfo(node.class).category, x, y, tileSize(p.camera.k) / 2 + gap);
  to.stroke();
  to.globalAlpha = 1;
}

export function pulses(to: Surface, p: Picture, all: readonly Pulse[], now: number): void {
  const { scene, camera, theme } = p;
  if (isCollapsed(scene, camera.k)) return;
  for (const pulse of all) {
    if (now < pulse.since) continue;
    if (pulse.kind === 'ring') {
      const t = (now - pulse.since) / RING_MS;
      ring(to, p, pulse.at, 2 + 16 * t * Math.min(1, camera.k + 0.3), 2, (1 - t) ** 1.5);
      continue;
    }
    if (!scene.kept.edges[pulse.at]) continue;
    if (p.emphasis && !p.emphasis.edges.has(pulse.at)) continue;
    const t = (now - pulse.since) / DROP_MS;
    const [wx, wy] = pointOn(scene.curves, pulse.at * STRIDE, pulse.forth ? t : 1 - t);
    const [x, y] = onScreen(p, wx, wy);
    to.globalAlpha = Math.sin(Math.PI * t);
    to.fillStyle = theme.families[scene.family[pulse.at] ?? 0] ?? theme.accent;
    to.beginPath();
    to.circle(x, y, Math.min(4.5, 2.2 + camera.k * 1.6));
    to.fill();
  }
  to.globalAlpha = 1;
}

/** The same pulses in another scene; those whose asset or link is gone end. */
export function carried(all: readonly Pulse[], from: Scene, to: Scene): Pulse[] {
  if (all.length === 0) return [];
  const pair = (scene: Scene, at: number) => `${scene.edges[at]?.a} ${scene.edges[at]?.b}`;
  const links = new Map(to.edges.map((_, at) => [pair(to, at), at]));
  return all.flatMap((pulse) => {
    const at =
      pulse.kind === 'ring'
        ? to.indexOf.get(from.nodes[pulse.at]?.id ?? '')
        : links.get(pair(from, pulse.at));
    return at === undefined ? [] : [{ ...pulse, at }];
  });
}
