// Drawings of the map kept as bitmaps, larger than the screen, that frames only shift and scale.
// Not here: when a drawing is due. Invariant: the drawing on show is always a whole one; the next
// is made behind it, a slice a frame, and reuses what of the last one it can.

import type { Camera, Size } from './camera';
import { paint } from './paint';
import type { Picture } from './picture';
import { canvasSurface, type Surface } from './surface';

interface Sheet {
  canvas: HTMLCanvasElement;
  surface: Surface;
  context: CanvasRenderingContext2D;
  /** Of the screen in its middle. */
  camera: Camera;
  /** Drawn beyond each edge of the screen, in pixels. */
  margin: number;
  screen: Size;
  ratio: number;
}

interface Strip {
  x: number;
  y: number;
  w: number;
  h: number;
}

/** Of the longer side of the screen. */
const MARGIN = 0.3;
/** What is costly to draw is drawn less far beyond the screen. */
const MARGIN_COSTLY = 0.14;
const COSTLY_MS = 50;

/** Drivers that draw with the processor and do not always say so. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;
let software: boolean | undefined;

/** Is there no graphics processor? Remote desktops and virtual machines have none. */
function slow(): boolean {
  software ??= drawnByProcessor();
  return software;
}

function drawnByProcessor(): boolean {
  const canvas = document.createElement('canvas');
  const gl = canvas.getContext('webgl', { failIfMajorPerformanceCaveat: true });
  if (!gl) return true;
  const named = gl.getExtension('WEBGL_debug_renderer_info');
  const renderer: unknown = gl.getParameter(named?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER);
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return SOFTWARE.test(String(renderer));
}

/**
 * A canvas only notes what it is told and draws it at the end of a frame, which for a large map
 * takes many frames' time at once. Reading a pixel makes it draw now what was noted so far.
 */
function settle(sheet: Sheet): void {
  sheet.context.getImageData(0, 0, 1, 1);
}

export class Sheets {
  /** Milliseconds the last whole drawing took. */
  cost = 0;
  private front: Sheet | null = null;
  private back: Sheet | null = null;
  private old: { sheet: Sheet; since: number } | null = null;
  private work: Generator<void, void, void> | null = null;
  private spent = 0;
  private soft = false;

  get busy(): boolean {
    return this.work !== null;
  }

  get fading(): boolean {
    return this.old !== null;
  }

  /** What is on show; null before the first drawing. */
  get camera(): Camera | null {
    return this.front?.camera ?? null;
  }

  get margin(): number {
    return this.front?.margin ?? 0;
  }

  abandon(): void {
    this.work = null;
  }

  /** Begins a drawing. `again` says that only the camera has moved since the last one. */
  begin(picture: Picture, ratio: number, again: boolean, soft: boolean): void {
    const share = this.cost > COSTLY_MS || ratio > 1 ? MARGIN_COSTLY : MARGIN;
    // A drawing that only moves keeps its size, or nothing of the last one could be used.
    const kept = again && this.front?.camera.k === picture.camera.k ? this.front.margin : null;
    const margin = kept ?? Math.round(Math.max(picture.size.w, picture.size.h) * share);
    const sheet = fresh(this.back, picture, ratio, margin);
    this.back = sheet;
    this.spent = 0;
    this.soft = soft;
    this.work = again && this.front ? shifted(sheet, this.front, picture) : whole(sheet, picture);
  }

  /** Goes on until `until`; true when the drawing is whole and on show. */
  step(until: number): boolean {
    if (!this.work) return false;
    const began = performance.now();
    while (this.work) {
      if (this.work.next().done) this.work = null;
      if (this.back && slow()) settle(this.back);
      if (performance.now() > until) break;
    }
    this.spent += performance.now() - began;
    if (this.work) return false;
    this.show();
    return true;
  }

  private show(): void {
    const before = this.front;
    this.front = this.back;
    // A canvas may only note what it is told and draw when it is used: the use counts, too.
    this.cost = this.spent;
    this.old = null;
    this.back = before;
    if (this.soft && before) {
      this.old = { sheet: before, since: performance.now() };
      // The old drawing is still seen: the next one needs paper of its own.
      this.back = null;
    }
  }

  /** Lays what is there under a camera onto the screen. */
  lay(onto: CanvasRenderingContext2D, camera: Camera, now: number, fadeMs: number): void {
    const began = performance.now();
    if (this.old) {
      const t = Math.min(1, Math.max(0, (now - this.old.since) / fadeMs));
      blit(onto, this.old.sheet, camera, 1);
      if (this.front) blit(onto, this.front, camera, t);
      if (t >= 1) {
        // Its paper serves the next drawing.
        if (!this.work) this.back ??= this.old.sheet;
        this.old = null;
      }
    } else if (this.front) blit(onto, this.front, camera, 1);
    if (this.spent > 0) {
      this.cost += performance.now() - began;
      this.spent = 0;
    }
  }
}

function fresh(used: Sheet | null, picture: Picture, ratio: number, margin: number): Sheet {
  const { size: screen, camera } = picture;
  const canvas = used?.canvas ?? document.createElement('canvas');
  const width = Math.round((screen.w + 2 * margin) * ratio);
  const height = Math.round((screen.h + 2 * margin) * ratio);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context =
    used?.context ?? canvas.getContext('2d', { alpha: false, willReadFrequently: slow() });
  if (!context) throw new Error('this browser draws no canvas');
  const surface = used?.surface ?? canvasSurface(context);
  return { canvas, context, surface, camera: { ...camera }, margin, screen: { ...screen }, ratio };
}

function whole(sheet: Sheet, picture: Picture): Generator<void, void, void> {
  const { screen, margin } = sheet;
  return strip(sheet, picture, { x: 0, y: 0, w: screen.w + 2 * margin, h: screen.h + 2 * margin });
}

/** The last drawing moved, and what came into sight painted beside it. */
function* shifted(sheet: Sheet, last: Sheet, picture: Picture): Generator<void, void, void> {
  const { ratio, margin, screen } = sheet;
  const { k } = sheet.camera;
  const dx = Math.round((last.camera.x - sheet.camera.x) * k * ratio);
  const dy = Math.round((last.camera.y - sheet.camera.y) * k * ratio);
  const w = screen.w + 2 * margin;
  const h = screen.h + 2 * margin;
  const same =
    last.camera.k === k &&
    last.ratio === ratio &&
    last.margin === margin &&
    last.screen.w === screen.w &&
    last.screen.h === screen.h &&
    Math.abs(dx) < sheet.canvas.width &&
    Math.abs(dy) < sheet.canvas.height;
  if (!same) {
    yield* whole(sheet, picture);
    return;
  }
  // By whole pixels, or it would blur a little more with each move.
  sheet.camera.x = last.camera.x - dx / ratio / k;
  sheet.camera.y = last.camera.y - dy / ratio / k;
  sheet.context.setTransform(1, 0, 0, 1, 0, 0);
  sheet.context.globalAlpha = 1;
  sheet.context.drawImage(last.canvas, dx, dy);
  yield;
  const sx = dx / ratio;
  const sy = dy / ratio;
  if (dx !== 0) {
    yield* strip(sheet, picture, { x: dx > 0 ? 0 : w + sx, y: 0, w: Math.abs(sx), h });
  }
  if (dy !== 0) {
    const x = Math.max(0, sx);
    const rest = { x, y: dy > 0 ? 0 : h + sy, w: w - Math.abs(sx), h: Math.abs(sy) };
    yield* strip(sheet, picture, rest);
  }
}

function* strip(sheet: Sheet, picture: Picture, part: Strip): Generator<void, void, void> {
  const { context, surface, ratio, margin, camera } = sheet;
  context.save();
  context.setTransform(ratio, 0, 0, ratio, part.x * ratio, part.y * ratio);
  context.beginPath();
  context.rect(0, 0, part.w, part.h);
  context.clip();
  const corner = {
    x: camera.x + (part.x - margin) / camera.k,
    y: camera.y + (part.y - margin) / camera.k,
    k: camera.k,
  };
  try {
    yield* paint(surface, { ...picture, camera: corner, size: { w: part.w, h: part.h } });
  } finally {
    // Also when the drawing is given up half-way.
    context.restore();
  }
}

function blit(onto: CanvasRenderingContext2D, sheet: Sheet, camera: Camera, alpha: number): void {
  const { margin, screen, ratio } = sheet;
  const scale = camera.k / sheet.camera.k;
  let x = (sheet.camera.x - camera.x) * camera.k - margin * scale;
  let y = (sheet.camera.y - camera.y) * camera.k - margin * scale;
  if (scale === 1) {
    // Between two pixels everything would blur.
    x = Math.round(x * ratio) / ratio;
    y = Math.round(y * ratio) / ratio;
  }
  const w = (screen.w + 2 * margin) * scale;
  const h = (screen.h + 2 * margin) * scale;
  onto.globalAlpha = alpha;
  onto.drawImage(sheet.canvas, x, y, w, h);
  onto.globalAlpha = 1;
}
