// Measures the map in a headless browser: time between frames and work within them while it is
// panned and zoomed, with 50, 500 and 2,000 assets. `npm run bench:map`; with `--shots DIR` it
// saves pictures instead.
import { mkdirSync, mkdtempSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { build, preview } from 'vite';

const here = fileURLToPath(new URL('.', import.meta.url));
const console_ = fileURLToPath(new URL('../../../..', import.meta.url));
const argument = (name) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? null : (process.argv[at + 1] ?? '');
};
const shots = argument('--shots');

const outDir = mkdtempSync(join(tmpdir(), 'map-bench-'));
const settings = {
  configFile: false,
  root: here,
  logLevel: 'error',
  resolve: { alias: { $lib: join(console_, 'src/lib') } },
  build: { outDir, emptyOutDir: true, target: 'es2022' },
  preview: { port: 0, host: '127.0.0.1' },
};
await build(settings);
const server = await preview(settings);
const address = server.httpServer.address();
const root = `http://127.0.0.1:${address.port}/`;

const executablePath =
  process.env.CHROMIUM ??
  ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});

async function open(size, query) {
  const page = await browser.newPage({ viewport: size });
  page.on('pageerror', (error) => console.error(String(error)));
  page.on('console', (line) => line.type() === 'error' && console.error(line.text()));
  page.setDefaultTimeout(180_000);
  await page.goto(`${root}?${new URLSearchParams(query)}`, { waitUntil: 'commit' });
  await page.waitForFunction(() => window.bench !== undefined);
  await quiet(page);
  return page;
}

/** Until nothing is drawn any more. */
const quiet = (page) =>
  page.evaluate(async () => {
    const { view } = window.bench;
    let last = -1;
    while (view.frames.length !== last) {
      last = view.frames.length;
      await new Promise((done) => setTimeout(done, 120));
    }
  });

/** Gaps between frames and work in them while `step` moves the map once a frame. */
const measured = (page, frames, kind) =>
  page.evaluate(
    async ([count, what]) => {
      const { view } = window.bench;
      const gaps = [];
      const from = view.frames.length;
      let before = await new Promise(requestAnimationFrame);
      for (let n = 0; n < count; n += 1) {
        if (what === 'pan') view.pan(Math.cos(n / 40) * 9, Math.sin(n / 25) * 6);
        else
          view.zoomAround(
            { x: innerWidth / 2, y: innerHeight / 2 },
            n % 120 < 60 ? 1.025 : 1 / 1.025,
          );
        const now = await new Promise(requestAnimationFrame);
        gaps.push(now - before);
        before = now;
      }
      return { gaps, work: view.frames.slice(from) };
    },
    [frames, kind],
  );

function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const mean = sorted.reduce((sum, value) => sum + value, 0) / Math.max(1, sorted.length);
  return [mean, at(0.5), at(0.95), at(0.99), at(1)].map((value) => value.toFixed(1).padStart(6)).join(' ');
}

async function figures() {
  console.log(
    'assets links view  motion |  frame gap ms: mean p50 p95 p99 max |  work in a frame ms | scene ms',
  );
  for (const nodes of (argument('--nodes') ?? '50,500,2000').split(',').map(Number)) {
    for (const zoom of ['all', 'near']) {
      const page = await open({ width: 1440, height: 900 }, { nodes: String(nodes) });
      const info = await page.evaluate(() => ({
        ms: window.bench.sceneMs,
        links: window.bench.links,
      }));
      if (zoom === 'near')
        await page.evaluate(() =>
          window.bench.view.flyTo(window.bench.scene.nodes.length >> 1, 0.6),
        );
      await quiet(page);
      for (const kind of ['pan', 'zoom']) {
        const { gaps, work } = await measured(page, 240, kind);
        const head = `${String(nodes).padStart(6)} ${String(info.links).padStart(5)} ${zoom.padEnd(5)} ${kind.padEnd(6)}`;
        console.log(`${head} | ${spread(gaps)} | ${spread(work)} | ${info.ms.toFixed(1)}`);
        await quiet(page);
      }
      await page.close();
    }
  }
}

async function pictures(folder) {
  mkdirSync(folder, { recursive: true });
  const sizes = [
    { width: 1440, height: 900 },
    { width: 1024, height: 768 },
    { width: 390, height: 780 },
  ];
  for (const theme of ['light', 'dark']) {
    for (const nodes of (argument('--nodes') ?? '50,2000').split(',')) {
      for (const size of sizes) {
        const page = await open(size, { nodes, theme });
        const name = `${nodes}-${theme}-${size.width}`;
        await page.screenshot({ path: join(folder, `${name}.png`) });
        if (size.width === 1440) {
          for (const k of [0.3, 0.6, 1.2]) {
            await page.evaluate((zoom) => window.bench.view.flyTo(8, zoom), k);
            await quiet(page);
            await page.screenshot({ path: join(folder, `${name}-k${k}.png`) });
          }
        }
        await page.close();
      }
    }
  }
}

try {
  if (shots !== null) await pictures(shots);
  else await figures();
} finally {
  await browser.close();
  await server.close();
}
