// What a drawing is of: the scene, from where, in which colours, and where that puts things.
// Not here: drawing. Invariant: pure; the same picture puts the same thing on the same pixel.

import type { Camera, Size } from './camera';
import { CELL_W, type Box } from './layout';
import type { Scene } from './scene';
import type { Measure } from './text';
import type { Theme } from './theme';
import type { Trouble } from './trouble';

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
  /** What grave open findings are about. */
  trouble: Trouble;
  /** Filtered-out assets as shadows, or not at all. */
  shadows: boolean;
}

/** Zoom below which groups are drawn as one thing each. */
const COLLAPSE_CELL_PX = 23;
const COLLAPSE_NODES_MIN = 150;
export function isCollapsed(scene: Scene, k: number): boolean {
  return CELL_W * k < COLLAPSE_CELL_PX && scene.nodes.length > COLLAPSE_NODES_MIN;
}

export const tileSize = (k: number): number => Math.min(60, Math.max(6, 44 * k));

export const sx = (p: Picture, x: number): number => (x - p.camera.x) * p.camera.k;
export const sy = (p: Picture, y: number): number => (y - p.camera.y) * p.camera.k;

/** A badge and a title reach a little beyond their group. */
const RIM = 16;

export function visible(p: Picture, group: Box): boolean {
  const left = sx(p, group.x) - RIM;
  const top = sy(p, group.y) - RIM;
  const right = sx(p, group.x + group.w) + RIM;
  const bottom = sy(p, group.y + group.h) + RIM;
  return left < p.size.w && top < p.size.h && right > 0 && bottom > 0;
}

export function strength(p: Picture, index: number): number {
  if (!p.scene.kept.nodes[index]) return 0.14;
  if (p.emphasis && !p.emphasis.nodes.has(index)) return 0.26;
  return p.scene.quiet[index] ? 0.55 : 1;
}
