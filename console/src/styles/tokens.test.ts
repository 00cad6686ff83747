import { expect, test } from 'vitest';
import css from './tokens.css?inline';

function block(head: string, from = 0): Map<string, string> {
  const start = css.indexOf('{', css.indexOf(head, from));
  const body = css.slice(start + 1, css.indexOf('}', start));
  return new Map([...body.matchAll(/(--[\w-]+):\s*([^;]+);/g)].map(([, k = '', v = '']) => [k, v]));
}

const light = block(':root {', css.indexOf('Light is the default'));
const dark = block(":root[data-theme='dark'] {");
const system = block(":root:not([data-theme='light'])");

test('dark by choice and dark by the system are the same', () => {
  expect([...system]).toEqual([...dark]);
  expect([...dark.keys()]).toEqual([...light.keys()]);
});

/** Relative luminance and contrast: WCAG 2.2. */
function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const c = parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [x, y] = [luminance(a), luminance(b)].sort((m, n) => n - m) as [number, number];
  return (x + 0.05) / (y + 0.05);
}

const PAIRS: [string, string][] = [
  ...[
    '--text',
    '--text-2',
    '--text-3',
    '--accent',
    '--critical',
    '--high',
    '--medium',
    '--low',
    '--info',
  ].flatMap((text): [string, string][] => [
    [text, '--surface'],
    [text, '--bg'],
  ]),
  ['--on-accent', '--accent'],
  ...['critical', 'high', 'medium', 'low', 'info', 'ok', 'accent'].map((name): [string, string] => [
    `--${name}`,
    `--${name}-soft`,
  ]),
  ['--text-2', '--chip'],
  ['--text-3', '--inset'],
];

test.each([
  ['light', light],
  ['dark', dark],
])('text is readable in %s: 4.5 to 1 and more', (_, tokens) => {
  const poor = PAIRS.map(([text, ground]) => {
    const ratio = contrast(tokens.get(text) ?? '#', tokens.get(ground) ?? '#');
    return { pair: `${text} on ${ground}`, ratio: Number(ratio.toFixed(2)) };
  }).filter(({ ratio }) => !(ratio >= 4.5));
  expect(poor).toEqual([]);
});

/** Linear light as somebody sees it who lacks a kind of cone: Machado, Oliveira, Fernandes 2009. */
const SIGHTS: Record<string, [number, number, number][]> = {
  'all cones': [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  'no red': [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  'no green': [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  'no blue': [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

/** OKLab, in which equal distances look equal. */
function seen(hex: string, sight: [number, number, number][]): number[] {
  const light = [1, 3, 5].map((at) => {
    const c = parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  const sum = (row: number[], of: number[]) =>
    row.reduce((total, weight, at) => total + weight * (of[at] ?? 0), 0);
  const rgb = sight.map((row) => Math.min(1, Math.max(0, sum(row, light))));
  const cones = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
  ].map((row) => Math.cbrt(sum(row, rgb)));
  return [
    [0.2104542553, 0.793617785, -0.0040720468],
    [1.9779984951, -2.428592205, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.808675766],
  ].map((row) => sum(row, cones));
}

const SEVERITY_COLOURS = ['--critical', '--high', '--medium', '--low', '--info'];

test.each(
  Object.keys(SIGHTS).flatMap((sight): [string, string, Map<string, string>][] => [
    [sight, 'light', light],
    [sight, 'dark', dark],
  ]),
)('severities are told apart with %s in %s', (sight, _, tokens) => {
  const points = SEVERITY_COLOURS.map((name) => seen(tokens.get(name) ?? '#', SIGHTS[sight] ?? []));
  const near = points.flatMap((one, at) =>
    points.slice(at + 1).flatMap((other, more) => {
      const apart = Math.hypot(...one.map((value, axis) => value - (other[axis] ?? 0)));
      const pair = `${SEVERITY_COLOURS[at]} ${SEVERITY_COLOURS[at + 1 + more]}`;
      return apart >= 0.05 ? [] : [`${pair} ${apart.toFixed(3)}`];
    }),
  );
  expect(near).toEqual([]);
});
