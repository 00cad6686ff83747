// What no reviewer should have to look for: markup from strings, foreign hosts, giant files.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const FORBIDDEN = [
  // Names of devices come from the network: nothing may become markup or code.
  [/\{@html\b/, '{@html} turns text into markup'],
  [/\.(inner|outer)HTML\s*=|insertAdjacentHTML|document\.write/, 'markup from a string'],
  [/\beval\s*\(|new Function\s*\(/, 'code from a string'],
  // The console works with no internet at all.
  [/\b(src|href)=["']https?:/, 'a foreign host in src or href'],
  [/@import\s+url\(|url\(["']?https?:/, 'a foreign style or font'],
];
// Outlines are one line each, however long.
const DRAWINGS = /(icons\.ts|Icon\.svelte|severity\.ts|\/bench\/.*)$/;
const LINES_MAX = 600;
const COLUMNS_MAX = 120;

function* files(folder) {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else if (/\.(svelte|ts|css|html)$/.test(entry.name)) yield path;
  }
}

const wrong = [];
for (const path of [...files('src'), 'index.html']) {
  if (path.endsWith('schema.d.ts')) continue;
  const lines = readFileSync(join(root, path), 'utf8').split('\n');
  if (lines.length > LINES_MAX) wrong.push(`${path}: ${lines.length} lines, ${LINES_MAX} at most`);
  lines.forEach((line, index) => {
    const place = `${path}:${index + 1}`;
    for (const [pattern, why] of FORBIDDEN) if (pattern.test(line)) wrong.push(`${place}: ${why}`);
    if (line.length > COLUMNS_MAX && !DRAWINGS.test(path)) wrong.push(`${place}: ${line.length} columns`);
  });
}
if (wrong.length > 0) {
  console.error(wrong.join('\n'));
  process.exit(1);
}
