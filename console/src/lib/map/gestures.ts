// Wheel, mouse, pen and fingers, as moves of the map.
// Not here: keys, and what a press means. Invariant: a press that moved is never a click.

export interface Point {
  x: number;
  y: number;
}

export interface Movable {
  pan(dx: number, dy: number): void;
  zoomAround(at: Point, factor: number): void;
  throw(vx: number, vy: number): void;
  /** Stops what still moves. */
  hold(): void;
  point(at: Point | null): void;
  press(at: Point, pointer: string): void;
  pressTwice(at: Point, out: boolean): void;
}

const CLICK_PX = 5;
/** Slower than this, in pixels a millisecond, the map stays where it was let go. */
const THROW_MIN = 0.25;
const THROW_AGE_MS = 60;

export function listen(canvas: HTMLCanvasElement, map: Movable, signal: AbortSignal): void {
  const pointers = new Map<number, Point>();
  let pressed: (Point & { moved: boolean }) | null = null;
  let spread = 0;
  let speed = { x: 0, y: 0, at: 0 };

  const on = <K extends keyof HTMLElementEventMap>(
    name: K,
    what: (event: HTMLElementEventMap[K]) => void,
  ): void => canvas.addEventListener(name, what, { signal, passive: false });
  const place = (event: MouseEvent): Point => ({ x: event.offsetX, y: event.offsetY });
  const fingers = (): { gap: number; middle: Point } => {
    const [a, b] = [...pointers.values()];
    if (!a || !b) return { gap: 0, middle: { x: 0, y: 0 } };
    return {
      gap: Math.hypot(a.x - b.x, a.y - b.y),
      middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 },
    };
  };

  on('wheel', (event) => {
    event.preventDefault();
    map.hold();
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
    const turned = (delta: number) => Math.max(-400, Math.min(400, delta * unit));
    if (event.shiftKey) map.pan(-turned(event.deltaX || event.deltaY), 0);
    else {
      // Fingers that pinch on a touchpad come as a wheel with `ctrl`, in small steps.
      const speed = event.ctrlKey ? 0.01 : 0.0016;
      map.zoomAround(place(event), Math.exp(-turned(event.deltaY) * speed));
    }
  });
  on('pointerdown', (event) => {
    if (event.button > 1) return;
    // A press that nobody made has no pointer to capture.
    if (event.isTrusted) canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
    map.hold();
    spread = fingers().gap;
    pressed = { ...place(event), moved: pointers.size > 1 };
    speed = { x: 0, y: 0, at: event.timeStamp };
  });
  on('pointermove', (event) => {
    const before = pointers.get(event.pointerId);
    const now = place(event);
    if (!before) {
      if (event.pointerType !== 'touch') map.point(now);
      return;
    }
    if (pressed && !pressed.moved) {
      if (Math.hypot(now.x - pressed.x, now.y - pressed.y) < CLICK_PX) return;
      pressed.moved = true;
      map.point(null);
    }
    pointers.set(event.pointerId, now);
    const dx = now.x - before.x;
    const dy = now.y - before.y;
    if (pointers.size > 1) {
      map.pan(dx / pointers.size, dy / pointers.size);
      const { gap, middle } = fingers();
      if (spread > 0 && gap > 0) map.zoomAround(middle, gap / spread);
      spread = gap;
      return;
    }
    map.pan(dx, dy);
    const dt = Math.max(1, event.timeStamp - speed.at);
    speed = {
      x: 0.4 * speed.x + 0.6 * (dx / dt),
      y: 0.4 * speed.y + 0.6 * (dy / dt),
      at: event.timeStamp,
    };
  });
  on('pointerup', (event) => {
    pointers.delete(event.pointerId);
    spread = fingers().gap;
    if (pointers.size > 0 || !pressed) return;
    const clicked = !pressed.moved;
    pressed = null;
    if (clicked) {
      if (event.button === 0) map.press(place(event), event.pointerType);
    } else if (
      Math.hypot(speed.x, speed.y) > THROW_MIN &&
      event.timeStamp - speed.at < THROW_AGE_MS
    ) {
      map.throw(speed.x, speed.y);
    }
  });
  on('pointercancel', (event) => {
    pointers.delete(event.pointerId);
    pressed = null;
  });
  on('pointerleave', () => {
    if (pointers.size === 0) map.point(null);
  });
  on('dblclick', (event) => map.pressTwice(place(event), event.shiftKey));
}
