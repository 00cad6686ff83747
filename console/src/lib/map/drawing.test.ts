// Camera, texts that fit, and what becomes of hostile names in an exported picture.
import { describe, expect, it } from 'vitest';
import { fit, flight, held, panBy, zoomAt, ZOOM_MAX, ZOOM_MIN, type Camera } from './camera';
import { sample } from './bench/sample';
import { ICONS } from '$lib/icons';
import { Taken } from './labels';
import { CLASS_NAMES, SEVERITIES } from './model';
import { bandNames, paint } from './paint';
import type { Picture } from './picture';
import { FAMILIES } from './protocols';
import { scene } from './scene';
import { SvgSurface } from './surface';
import { Measure } from './text';
import { NO_TROUBLE } from './trouble';
import type { Theme } from './theme';

const measure = new Measure((_, text) => [...text].length * 6);
const theme: Theme = {
  font: 'sans-serif',
  background: '#fff',
  band: '#eee',
  line: '#ddd',
  ink: '#111',
  muted: '#666',
  group: '#fff',
  groupLine: '#ccc',
  tile: '#fff',
  tileLine: '#888',
  control: '#222',
  controlInk: '#fff',
  operator: '#def',
  operatorLine: '#067',
  accent: '#067',
  onBadge: '#fff',
  families: FAMILIES.map(() => '#345'),
  severity: Object.fromEntries(SEVERITIES.map((name) => [name, '#a00'])) as Theme['severity'],
};

describe('camera', () => {
  const size = { w: 1_000, h: 600 };
  const camera: Camera = { x: 120, y: -40, k: 0.5 };

  it('keeps the point it zooms at where it is', () => {
    const before = [300 / camera.k + camera.x, 200 / camera.k + camera.y];
    const after = zoomAt(camera, 1.7, 300, 200);
    expect(300 / after.k + after.x).toBeCloseTo(before[0] ?? 0);
    expect(200 / after.k + after.y).toBeCloseTo(before[1] ?? 0);
  });

  it('stays within its limits and in sight of the map', () => {
    expect(zoomAt(camera, 1e9, 0, 0).k).toBe(ZOOM_MAX);
    expect(zoomAt(camera, 1e-9, 0, 0).k).toBe(ZOOM_MIN);
    const far = held(panBy(camera, -1e7, 1e7), { w: 900, h: 500 }, size);
    expect(far.x).toBeLessThan(900);
    expect(far.y).toBeGreaterThan(-size.h / far.k);
  });

  it('fits a box beside what covers the screen', () => {
    const insets = { left: 100, top: 10, right: 300, bottom: 10 };
    const box = { x: 50, y: 20, w: 2_000, h: 400 };
    const seen = fit(box, size, insets);
    expect((box.x - seen.x) * seen.k).toBeGreaterThanOrEqual(100 - 1e-6);
    expect((box.x + box.w - seen.x) * seen.k).toBeLessThanOrEqual(700 + 1e-6);
  });

  it('flies from one to the other and arrives exactly', () => {
    const to = { x: 4_000, y: 900, k: 1.2 };
    expect(flight(camera, to, size, 1)).toEqual(to);
    expect(flight(camera, to, size, 0).x).toBeCloseTo(camera.x);
  });
});

describe('texts', () => {
  it('are never wider than the room they have', () => {
    for (const text of [
      'plc-mix-01',
      'SIMATIC-HMI',
      'überlange-bezeichnung-ä',
      '🙂🙂🙂🙂🙂🙂🙂🙂',
    ]) {
      for (const room of [12, 30, 48, 90]) {
        expect(measure.width('f', measure.short('f', text, room))).toBeLessThanOrEqual(room);
        for (const line of measure.lines('f', text, room)) {
          expect(measure.width('f', line)).toBeLessThanOrEqual(room);
        }
      }
    }
  });

  it('keep both ends, and break where words end', () => {
    expect(measure.short('f', 'filling-line-plc-07', 60)).toBe('filli…c-07');
    expect(measure.tail('f', '10.20.15', 40)).toBe('…20.15');
    expect(measure.lines('f', 'PowerFlex 525-EENET', 72)).toEqual(['PowerFlex', '525-EENET']);
  });

  it('take no place that is taken', () => {
    const taken = new Taken();
    expect(taken.take(0, 0, 100, 12)).toBe(true);
    expect(taken.take(90, 6, 50, 12)).toBe(false);
    expect(taken.take(101, 0, 50, 12)).toBe(true);
  });
});

describe('pictures', () => {
  const drawn = (size: number, k: number, name?: string): string => {
    const { nodes, edges } = sample(size);
    if (name !== undefined) nodes.forEach((node) => (node.name = name));
    const made = scene(nodes, edges);
    const surface = new SvgSurface(800, 600, (font, text) => measure.width(font, text));
    const picture: Picture = {
      scene: made,
      camera: { x: 0, y: 0, k },
      size: { w: made.layout.w * k, h: made.layout.h * k },
      theme,
      measure,
      emphasis: null,
      trouble: NO_TROUBLE,
      shadows: true,
    };
    for (const _ of paint(surface, picture)) void _;
    bandNames(surface, picture, false);
    return surface.text('Map <of> "all"');
  };

  it('hold every asset by name', () => {
    const text = drawn(50, 1);
    for (const node of sample(50).nodes.slice(0, 20)) expect(text).toContain(`>${node.name}<`);
  });

  it('hold hostile names as text only', () => {
    const text = drawn(50, 1, '</text><script>alert(1)</script>\u0000&"\'');
    expect(text).not.toContain('<script');
    expect(text).not.toContain('\u0000');
    expect(text).toContain('<title>Map &#60;of&#62; &#34;all&#34;</title>');
  });

  it('are made of groups instead of assets from far away', () => {
    expect(drawn(500, 0.12).length).toBeLessThan(drawn(500, 0.5).length / 3);
  });

  it('yield often enough to be drawn over several frames', () => {
    const { nodes, edges } = sample(500);
    const made = scene(nodes, edges);
    const surface = new SvgSurface(10, 10, () => 6);
    const picture: Picture = {
      scene: made,
      camera: { x: 0, y: 0, k: 0.6 },
      size: { w: 4_000, h: 3_000 },
      theme,
      measure,
      emphasis: null,
      trouble: NO_TROUBLE,
      shadows: true,
    };
    expect([...paint(surface, picture)].length).toBeGreaterThan(40);
  });

  it('have an icon for every class', () => {
    expect(Object.keys(ICONS).sort()).toEqual([...CLASS_NAMES].sort());
  });
});
