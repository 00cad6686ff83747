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
  ...['critical', 'medium', 'ok', 'accent'].map((name): [string, string] => [
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
