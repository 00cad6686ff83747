// Screenshots of every page, both themes, three widths, for people to look at: shots DIR.
// With SPANDREL_URL and SPANDREL_PASSWORD it uses a server that runs already.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { launch, openPage } from './browser.mjs';
import { startServer } from './server.mjs';

const WIDTHS = { wide: [1440, 900], middle: [1024, 768], phone: [390, 844] };
const folder = process.argv[2];
const only = process.argv.slice(3);
if (!folder) throw new Error('usage: shots DIR [PAGE...]');
mkdirSync(folder, { recursive: true });

const running = process.env.SPANDREL_URL;
const server = running ? null : await startServer(process.env.SPANDREL);
const url = running ?? server.url;
const password = process.env.SPANDREL_PASSWORD ?? 'correct horse battery';
const browser = await launch();
let faults = 0;

async function signIn(page) {
  if (server) {
    await page.goto(server.link);
    await page.fill('input[name=password]', password);
    await page.fill('input[name=again]', password);
    await page.click('button.primary');
    await page.waitForURL(`${url}/`);
    await page.waitForFunction(() => /Assets\s*[2-9]\d/.test(document.body.innerText), null, {
      timeout: 60_000,
    });
  } else {
    await page.goto(`${url}/sign-in`);
    await page.fill('input[name=user]', 'admin');
    await page.fill('input[name=password]', password);
    await page.click('button.primary');
    await page.waitForURL(`${url}/`);
  }
}

async function rows(page, path, query) {
  const answer = await page.request.get(`${url}/api/v1/${path}?limit=1&${query}`);
  return (await answer.json()).items;
}

try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await openPage(context);
  await page.goto(`${url}/sign-in`);
  const pages = [['sign-in', '/sign-in']];
  await signIn(page);
  const [asset] = await rows(page, 'assets', 'sort=-packets');
  const [finding] = await rows(page, 'findings', 'sort=-severity');
  const captures = (await (await page.request.get(`${url}/api/v1/captures`)).json()).items;
  const capture = captures.find((other) => other.state === 'done');
  pages.push(['overview', '/'], ['map', '/map'], ['assets', '/assets'], ['findings', '/findings']);
  if (asset) pages.push(['asset', `/assets/${asset.id}`]);
  if (finding) pages.push(['finding', `/findings/${finding.id}`]);
  for (const section of ['plans', 'snapshots', 'recovery', 'runs', 'keeping']) {
    pages.push([`protection-${section}`, `/protection/${section}`]);
  }
  pages.push(['protection', '/protection']);
  const taken = (await (await page.request.get(`${url}/api/v1/snapshots`)).json()).items;
  const pair = taken.flatMap((after, at) => {
    const before = taken.slice(at + 1).find((other) => other.asset === after.asset);
    return before ? [`/protection/compare?before=${before.id}&after=${after.id}`] : [];
  });
  if (taken[0]) pages.push(['snapshot', `/protection/snapshots/${taken[0].id}`]);
  if (pair[0]) pages.push(['compare', pair[0]]);
  const drills = (await (await page.request.get(`${url}/api/v1/runs?kind=drill`)).json()).items;
  for (const drill of drills.slice(0, 2))
    pages.push([`drill-${drill.state}`, `/protection/drills/${drill.id}`]);
  pages.push(['captures', '/captures']);
  if (capture) pages.push(['capture', `/captures/${capture.id}`]);
  for (const section of ['sensors', 'zones', 'mutes', 'users', 'tokens', 'audit', 'about']) {
    pages.push([`settings-${section}`, `/settings/${section}`]);
  }
  const state = await context.storageState();
  for (const [size, [width, height]] of Object.entries(WIDTHS)) {
    for (const theme of ['light', 'dark']) {
      const context = await browser.newContext({
        ignoreHTTPSErrors: true,
        viewport: { width, height },
        colorScheme: theme,
        storageState: state,
        reducedMotion: 'reduce',
      });
      const page = await openPage(context);
      for (const [name, path] of pages) {
        if (only.length > 0 && !only.some((word) => `${name}-${size}-${theme}`.includes(word)))
          continue;
        await page.goto(url + path);
        await page.waitForFunction(
          () => !document.querySelector('.loading') && document.querySelector('h1, form, main *'),
        );
        await page.waitForFunction(() => document.fonts.status === 'loaded');
        if (path !== '/sign-in') await page.waitForSelector('[data-state=live]');
        // A chart or map draws in the frame after its data has come.
        await page.evaluate(
          () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
        );
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (over > 0) page.faults.push(`${name} at ${width} is ${over} px too wide`);
        await page.screenshot({ path: join(folder, `${name}-${size}-${theme}.png`) });
      }
      for (const fault of page.faults) console.error(`${size} ${theme}: ${fault}`);
      faults += page.faults.length;
      await context.close();
    }
  }
} finally {
  await browser.close();
  await server?.stop();
}
process.exit(faults > 0 ? 1 : 0);
