// The map on its canvas: camera, pointer, keys, drawing in slices, highlights and motion.
// Not here: panels and data. Invariant: a frame never waits for a drawing: it shows the last whole
// one, moved and scaled to the camera, until the next is whole.

import {
  clampZoom,
  fit,
  flight,
  flightTime,
  held,
  panBy,
  zoomAt,
  type Camera,
  type Insets,
  type Size,
} from './camera';
import { listen, type Movable, type Point } from './gestures';
import type { Box } from './layout';
import { carried, hovering, isOver, pulses, ring, type Pulse, type Target } from './overlay';
import { bandNames } from './paint';
import { isCollapsed, tileSize, type Emphasis, type Picture } from './picture';
import { bundleAt, edgesAt, groupAt, nodeAt, type Scene } from './scene';
import { canvasSurface, type Surface } from './surface';
import { Sheets } from './sheets';
import { Measure } from './text';
import { themeOf, type Theme } from './theme';
import { NO_TROUBLE, type Trouble } from './trouble';

export interface ViewEvents {
  hover(target: Target | null, x: number, y: number): void;
  select(target: Target | null): void;
  open(target: Target): void;
  camera(camera: Camera): void;
}

const SLICE_MS = 5;
/** A zoom rests after so long without a turn of the wheel. */
const REST_MS = 110;
/** A drawing that is ready within a frame. */
const QUICK_MS = 7;
const SCALE_MIN = 0.66;
const SCALE_MAX = 2.2;
const FADE_MS = 260;
const PULSES_MAX = 160;
const FRAMES_KEPT = 2_000;

export class MapView implements Movable {
  camera: Camera = { x: 0, y: 0, k: 1 };
  size: Size = { w: 1, h: 1 };
  insets: Insets = { left: 124, top: 16, right: 16, bottom: 16 };
  /** Milliseconds of work of each frame, and whether it was of a gesture; for the bench. */
  readonly frames: number[] = [];
  readonly measure: Measure;
  theme: Theme;
  emphasis: Emphasis | null = null;
  shadows = true;
  trouble: Trouble = NO_TROUBLE;
  /** Everything is shown, and shall be when the map grows. */
  private following = false;
  private scene: Scene | null = null;
  private readonly sheets = new Sheets();
  private zoomedAt = 0;
  private rest: ReturnType<typeof setTimeout> | undefined;
  private stale = true;
  private fade = false;
  private asked = 0;
  private flying: { from: Camera; to: Camera; since: number; ms: number } | null = null;
  private glide: { vx: number; vy: number; at: number } | null = null;
  private pulses: Pulse[] = [];
  private hovered: Target | null = null;
  private pointer: Point | null = null;
  private looked = true;
  private focused = -1;
  private ratio = 1;
  private readonly surface: Surface;
  private readonly context: CanvasRenderingContext2D;
  private readonly stop = new AbortController();

  constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly events: ViewEvents,
  ) {
    const context = canvas.getContext('2d', { alpha: false });
    if (!context) throw new Error('this browser draws no canvas');
    this.context = context;
    this.surface = canvasSurface(context);
    const ruler = document.createElement('canvas').getContext('2d');
    this.measure = new Measure((font, text) => {
      if (!ruler) return text.length * 6;
      ruler.font = font;
      return ruler.measureText(text).width;
    });
    this.theme = themeOf(canvas.parentElement ?? document.body);
    listen(canvas, this, this.stop.signal);
    // Texts measured before their font was there have another's widths.
    document.fonts.addEventListener(
      'loadingdone',
      () => {
        this.measure.forget();
        this.redraw();
      },
      { signal: this.stop.signal },
    );
  }

  destroy(): void {
    this.stop.abort();
    cancelAnimationFrame(this.asked);
    clearTimeout(this.rest);
  }

  get calm(): boolean {
    return matchMedia('(prefers-reduced-motion: reduce)').matches;
  }

  /** A new scene; `soft` lets the old one fade into it. */
  show(scene: Scene, soft = false): void {
    this.pulses = this.scene ? carried(this.pulses, this.scene, scene) : [];
    const before = this.scene?.layout;
    this.scene = scene;
    this.hovered = null;
    if (this.following && (before?.w !== scene.layout.w || before.h !== scene.layout.h))
      this.fitAll();
    // The pointer may be on something else now, or on the same thing in another place.
    if (this.pointer) this.point(this.pointer);
    this.redraw(soft);
  }

  redraw(soft = false): void {
    this.stale = true;
    this.sheets.abandon();
    this.fade = soft && !this.calm;
    this.ask();
  }

  retheme(): void {
    this.theme = themeOf(this.canvas.parentElement ?? document.body);
    this.redraw(true);
  }

  resize(w: number, h: number): void {
    // Hidden, as on paper: there is nothing to draw until it is back.
    if (w < 1 || h < 1) return;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    if (w === this.size.w && h === this.size.h && ratio === this.ratio) return;
    this.size = { w, h };
    this.ratio = ratio;
    this.canvas.width = Math.max(1, Math.round(w * ratio));
    this.canvas.height = Math.max(1, Math.round(h * ratio));
    this.redraw();
  }

  emphasise(emphasis: Emphasis | null): void {
    if (emphasis === null && this.emphasis === null) return;
    this.emphasis = emphasis;
    this.redraw(true);
  }

  /** What grave findings are about. */
  worry(trouble: Trouble): void {
    const of = ({ nodes, edges }: Trouble) => [...nodes, ...edges].join(' ');
    const same = of(trouble) === of(this.trouble);
    this.trouble = trouble;
    if (!same) this.redraw(true);
  }

  /** Whether what a filter leaves out stays as shadows. */
  cast(shadows: boolean): void {
    if (shadows === this.shadows) return;
    this.shadows = shadows;
    this.redraw(true);
  }

  focus(index: number): void {
    this.focused = index;
    this.ask();
  }

  /** Rings around assets that are new or changed. */
  ring(indices: Iterable<number>): void {
    for (const at of indices)
      this.pulse({ kind: 'ring', at, forth: true, since: performance.now() });
  }

  /** A drop from client to server along each link that spoke. */
  drop(links: Iterable<[number, boolean]>): void {
    let delay = 0;
    for (const [at, forth] of links) {
      this.pulse({ kind: 'drop', at, forth, since: performance.now() + delay });
      delay += 14;
    }
  }

  private pulse(pulse: Pulse): void {
    if (this.calm || document.hidden || this.pulses.length >= PULSES_MAX) return;
    this.pulses.push(pulse);
    this.ask();
  }

  /** Looks from where it was left. */
  place(camera: Camera): void {
    this.move(camera);
  }

  fitAll(now = false): void {
    if (!this.scene) return;
    const { w, h } = this.scene.layout;
    this.fly(fit({ x: 0, y: 0, w, h }, this.size, this.insets), now);
    this.following = true;
  }

  /** After the window has changed: whoever saw all of it goes on seeing all of it. */
  refit(): void {
    if (this.following) this.fitAll(true);
  }

  fitBox(box: Box, now = false): void {
    this.fly(fit(box, this.size, this.insets, 1.4), now);
  }

  /** Brings an asset to the middle, near enough to read it. */
  flyTo(index: number, k = Math.max(this.camera.k, 1)): void {
    if (!this.scene) return;
    const x = this.scene.layout.x[index] ?? 0;
    const y = this.scene.layout.y[index] ?? 0;
    const cx = (this.insets.left + this.size.w - this.insets.right) / 2;
    const cy = (this.insets.top + this.size.h - this.insets.bottom) / 2;
    this.fly({ x: x - cx / k, y: y - cy / k, k });
  }

  /** Moves only as far as an asset needs to be seen. */
  reveal(index: number): void {
    const { scene, camera, insets, size } = this;
    if (!scene) return;
    if (isCollapsed(scene, camera.k)) {
      this.flyTo(index, 0.6);
      return;
    }
    const [x, y] = this.toScreen(scene.layout.x[index] ?? 0, scene.layout.y[index] ?? 0);
    const rim = Math.min(70, 60 * camera.k + 10);
    const out = (at: number, from: number, to: number): number =>
      at < from + rim ? at - from - rim : at > to - rim ? at - to + rim : 0;
    const dx = out(x, insets.left, size.w - insets.right);
    const dy = out(y, insets.top, size.h - insets.bottom);
    if (dx === 0 && dy === 0) return;
    this.fly({ x: camera.x + dx / camera.k, y: camera.y + dy / camera.k, k: camera.k });
  }

  zoom(factor: number): void {
    const k = clampZoom(this.camera.k * factor);
    const x = this.camera.x + this.size.w / 2 / this.camera.k - this.size.w / 2 / k;
    const y = this.camera.y + this.size.h / 2 / this.camera.k - this.size.h / 2 / k;
    this.fly({ x, y, k });
  }

  pan(dx: number, dy: number): void {
    this.move(panBy(this.camera, dx, dy));
  }

  zoomAround(at: Point, factor: number): void {
    this.move(zoomAt(this.camera, factor, at.x, at.y));
  }

  /** Goes on by itself with so many pixels a millisecond, and slows down. */
  throw(vx: number, vy: number): void {
    if (this.calm) return;
    this.glide = { vx, vy, at: performance.now() };
    this.ask();
  }

  hold(): void {
    this.glide = null;
    this.flying = null;
  }

  centreOn(x: number, y: number): void {
    const { k } = this.camera;
    this.move({ x: x - this.size.w / 2 / k, y: y - this.size.h / 2 / k, k });
  }

  private fly(to: Camera, now = false): void {
    this.glide = null;
    this.following = false;
    if (now || this.calm || this.size.w < 2) {
      this.move(to);
      return;
    }
    const from = this.camera;
    this.flying = { from, to, since: performance.now(), ms: flightTime(from, to, this.size) };
    this.ask();
  }

  private move(camera: Camera): void {
    this.flying = null;
    this.following = false;
    this.set(camera);
  }

  private set(camera: Camera): void {
    const world = this.scene?.layout ?? { w: 1, h: 1 };
    if (camera.k !== this.camera.k) this.zoomedAt = performance.now();
    this.camera = held(camera, world, this.size);
    this.events.camera(this.camera);
    // What the pointer was on has moved away from it; it is looked for when the map rests.
    if (this.hovered) this.hover(null);
    this.looked = false;
    this.ask();
  }

  toScreen(x: number, y: number): [number, number] {
    return [(x - this.camera.x) * this.camera.k, (y - this.camera.y) * this.camera.k];
  }

  toWorld(x: number, y: number): [number, number] {
    return [x / this.camera.k + this.camera.x, y / this.camera.k + this.camera.y];
  }

  // Drawing

  private ask(): void {
    if (this.asked === 0) this.asked = requestAnimationFrame((now) => this.frame(now));
  }

  private frame(now: number): void {
    this.asked = 0;
    const began = performance.now();
    this.advance(now);
    this.draw(began);
    this.compose(now);
    const more =
      this.flying !== null ||
      this.glide !== null ||
      this.pulses.length > 0 ||
      this.sheets.fading ||
      this.sheets.busy ||
      this.needsDrawing(performance.now());
    if (!more && !this.looked) {
      this.looked = true;
      if (this.pointer) this.point(this.pointer);
    }
    if (more) this.ask();
    else if (this.sheets.camera?.k !== this.camera.k) {
      clearTimeout(this.rest);
      this.rest = setTimeout(() => this.ask(), REST_MS);
    }
    this.frames.push(performance.now() - began);
    if (this.frames.length > FRAMES_KEPT) this.frames.splice(0, FRAMES_KEPT / 2);
  }

  private advance(now: number): void {
    if (this.flying) {
      const { from, to, since, ms } = this.flying;
      const t = Math.min(1, (now - since) / ms);
      this.set(flight(from, to, this.size, t));
      if (t >= 1) this.flying = null;
    }
    if (this.glide) {
      const dt = Math.min(50, now - this.glide.at);
      const slow = Math.exp(-dt / 220);
      this.set(panBy(this.camera, this.glide.vx * dt, this.glide.vy * dt));
      this.glide = { vx: this.glide.vx * slow, vy: this.glide.vy * slow, at: now };
      if (Math.hypot(this.glide.vx, this.glide.vy) < 0.02) this.glide = null;
    }
  }

  /** Is the drawing on show of another camera, or does the screen near its rim? */
  private needsDrawing(now: number): boolean {
    const drawn = this.sheets.camera;
    if (this.stale || !drawn) return true;
    const scale = this.camera.k / drawn.k;
    if (scale !== 1) {
      // Where a drawing takes long, one of another size has to do until the zoom rests.
      const resting = now - this.zoomedAt >= REST_MS;
      return resting || this.sheets.cost < QUICK_MS || scale < SCALE_MIN || scale > SCALE_MAX;
    }
    const dx = Math.abs(drawn.x - this.camera.x) * this.camera.k;
    const dy = Math.abs(drawn.y - this.camera.y) * this.camera.k;
    return Math.max(dx, dy) > this.sheets.margin * 0.4;
  }

  private draw(began: number): void {
    if (!this.scene) return;
    if (!this.sheets.busy && this.needsDrawing(began)) {
      this.sheets.begin(this.picture(), this.ratio, !this.stale, this.fade);
      this.stale = false;
      this.fade = false;
    }
    this.sheets.step(began + SLICE_MS);
  }

  private picture(): Picture {
    if (!this.scene) throw new Error('there is no scene yet');
    const { camera, size, theme, measure, emphasis, trouble, shadows, scene } = this;
    return { scene, camera, size, theme, measure, emphasis, trouble, shadows };
  }

  private compose(now: number): void {
    const { context, theme } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 1;
    context.fillStyle = theme.background;
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    if (!this.scene) return;
    this.bandsBeyond();
    this.sheets.lay(context, this.camera, now, FADE_MS);
    this.overlay(now);
    // Over assets only what is needed.
    const over = this.camera.x * this.camera.k > -this.insets.left * 0.75;
    bandNames(this.surface, this.picture(), over || this.insets.left < 90);
  }

  /** Stripes where the drawing does not reach yet. */
  private bandsBeyond(): void {
    const { context, camera } = this;
    context.fillStyle = this.theme.band;
    this.scene?.layout.bands.forEach((band, at) => {
      if (at % 2 === 0)
        context.fillRect(0, (band.y - camera.y) * camera.k, this.size.w, band.h * camera.k);
    });
  }

  private overlay(now: number): void {
    const { scene, surface } = this;
    if (!scene) return;
    const p = this.picture();
    if (this.hovered) hovering(surface, p, this.hovered);
    if (this.focused >= 0 && !isCollapsed(scene, this.camera.k))
      ring(surface, p, this.focused, 4, 2.5, 1);
    this.pulses = this.pulses.filter((pulse) => !isOver(pulse, now));
    pulses(surface, p, this.pulses, now);
  }

  // Pointing

  point(at: Point | null): void {
    this.pointer = at;
    if (at) this.hover(this.targetAt(at.x, at.y, 'mouse'), at.x, at.y);
    else this.hover(null);
  }

  press(at: Point, pointer: string): void {
    this.events.select(this.targetAt(at.x, at.y, pointer));
  }

  pressTwice(at: Point, out: boolean): void {
    const target = this.targetAt(at.x, at.y, 'mouse');
    const group = target?.kind === 'group' ? this.scene?.layout.groups[target.group] : undefined;
    if (target?.kind === 'node') this.events.open(target);
    else if (group) this.fitBox(group);
    else this.fly(zoomAt(this.camera, out ? 0.5 : 2, at.x, at.y));
  }

  private hover(target: Target | null, x = 0, y = 0): void {
    const same = JSON.stringify(target) === JSON.stringify(this.hovered);
    this.hovered = target;
    this.canvas.style.cursor = target && target.kind !== 'group' ? 'pointer' : 'grab';
    this.events.hover(target, x, y);
    if (!same) this.ask();
  }

  targetAt(sx: number, sy: number, pointer: string): Target | null {
    const { scene } = this;
    if (!scene) return null;
    const { k } = this.camera;
    const [x, y] = this.toWorld(sx, sy);
    const finger = pointer === 'touch' ? 12 : 5;
    if (isCollapsed(scene, k)) {
      const group = groupAt(scene, x, y);
      if (group >= 0) return { kind: 'group', group };
      const bundle = bundleAt(scene, x, y, finger / k);
      return bundle >= 0 ? { kind: 'bundle', bundle } : null;
    }
    const index = nodeAt(scene, x, y, (tileSize(k) / 2 + finger - 3) / k);
    if (index >= 0) return { kind: 'node', index };
    const edges = edgesAt(scene, x, y, finger / k);
    if (edges.length > 0) return { kind: 'edges', edges };
    const group = groupAt(scene, x, y);
    return group >= 0 ? { kind: 'group', group } : null;
  }
}
