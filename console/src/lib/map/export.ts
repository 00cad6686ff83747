// The whole map as a picture file.
// Not here: the painter, which is the one of the screen. Invariant: a picture says what it shows:
// its title, its time, and what its colours mean.

import type { Camera, Size } from './camera';
import { bandNames, paint } from './paint';
import type { Picture } from './picture';
import { FAMILIES } from './protocols';
import type { Scene } from './scene';
import { canvasSurface, SvgSurface, type Surface } from './surface';
import type { Measure } from './text';
import type { Theme } from './theme';

const LEFT = 132;
const TOP = 52;
const BOTTOM = 44;
const RIGHT = 24;
/** Pixels of a side that every browser draws. */
const SIDE_MAX = 8_000;

export interface ExportOptions {
  scene: Scene;
  theme: Theme;
  measure: Measure;
  title: string;
  trouble: Picture['trouble'];
}

function plan(scene: Scene, scale: number): { size: Size; k: number } {
  const room = SIDE_MAX / scale;
  const most = Math.min(
    (room - LEFT - RIGHT) / scene.layout.w,
    (room - TOP - BOTTOM) / scene.layout.h,
  );
  const k = Math.min(1, most);
  return {
    k,
    size: { w: scene.layout.w * k + LEFT + RIGHT, h: scene.layout.h * k + TOP + BOTTOM },
  };
}

function draw(to: Surface, options: ExportOptions, size: Size, k: number): void {
  const { scene, theme, measure, title, trouble } = options;
  const camera: Camera = { x: -LEFT / k, y: -TOP / k, k };
  const seen = { scene, camera, size, theme, measure, trouble };
  const picture: Picture = { ...seen, emphasis: null, shadows: true };
  for (const _ of paint(to, picture)) void _;
  bandNames(to, picture, false);
  to.globalAlpha = 1;
  to.textAlign = 'left';
  to.textBaseline = 'middle';
  to.fillStyle = theme.ink;
  to.font = `650 16px ${theme.font}`;
  to.fillText(title, 14, TOP / 2);
  legend(to, options, size);
}

function legend(to: Surface, { scene, theme, measure }: ExportOptions, size: Size): void {
  const used = new Set<number>();
  scene.edges.forEach((_, at) => {
    if (scene.kept.edges[at]) used.add(scene.family[at] ?? 0);
  });
  const y = size.h - BOTTOM / 2;
  let x = 14;
  const font = `500 11px ${theme.font}`;
  FAMILIES.forEach((family, index) => {
    const width = measure.width(font, family.label) + 52;
    if (!used.has(index) || x + width > size.w) return;
    to.strokeStyle = theme.families[index] ?? theme.muted;
    to.lineWidth = 2.5;
    to.setLineDash([...family.dash]);
    to.beginPath();
    to.moveTo(x, y);
    to.lineTo(x + 24, y);
    to.stroke();
    to.setLineDash([]);
    to.font = font;
    to.fillStyle = theme.muted;
    to.fillText(family.label, x + 30, y);
    x += width;
  });
}

export async function png(options: ExportOptions): Promise<Blob> {
  const scale = options.scene.nodes.length > 600 ? 1 : 2;
  const { size, k } = plan(options.scene, scale);
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(size.w * scale);
  canvas.height = Math.round(size.h * scale);
  const context = canvas.getContext('2d', { alpha: false });
  if (!context) throw new Error('this browser draws no canvas');
  context.setTransform(scale, 0, 0, scale, 0, 0);
  draw(canvasSurface(context), options, size, k);
  return new Promise((done, failed) => {
    canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error('the picture is too large'))));
  });
}

export function svg(options: ExportOptions): string {
  const { size, k } = plan(options.scene, 1);
  const surface = new SvgSurface(size.w, size.h, (font, text) => options.measure.width(font, text));
  draw(surface, options, size, k);
  return surface.text(options.title);
}

/** As a part of a page. */
export function drawing(options: ExportOptions): Element {
  const parsed = new DOMParser().parseFromString(svg(options), 'image/svg+xml');
  return document.importNode(parsed.documentElement, true);
}

export function download(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
