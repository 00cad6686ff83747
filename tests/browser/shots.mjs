// Pictures of every view, both themes, three widths, for people to look at: shots DIR [NAME...].
// With SPANDREL_URL and SPANDREL_PASSWORD it uses a server that runs already, as it is.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { launch, openPage } from './browser.mjs';
import { frame, scenes, show } from './scenes.mjs';
import { startServer } from './server.mjs';
import { furnish, play, speaker } from './stage.mjs';

const WIDTHS = { wide: [1440, 900], middle: [820, 1180], phone: [390, 844] };
const folder = process.argv[2];
const only = process.argv.slice(3);
if (!folder) throw new Error('usage: shots DIR [NAME...]');
mkdirSync(folder, { recursive: true });

const running = process.env.SPANDREL_URL;
const server = running ? null : await startServer(process.env.SPANDREL);
const url = running ?? server.url;
const password = process.env.SPANDREL_PASSWORD ?? 'correct horse battery';
const browser = await launch();
let faults = 0;

const open = (name, path) => ({ name, path, open: true });

async function signIn(page) {
  if (server) {
    await page.goto(server.link);
    await page.fill('input[name=password]', password);
    await page.fill('input[name=again]', password);
    await page.click('button.primary');
    await page.waitForURL(`${url}/`);
    // The plant's first scenarios are reported from 90 s on.
    await page.waitForFunction(() => /Assets\s*[2-9]\d/.test(document.body.innerText), null, {
      timeout: 60_000,
    });
    const api = await furnish(page, url, process.env.SPANDREL);
    await play(page, api, process.env.SPANDREL);
    return api;
  }
  await page.goto(`${url}/sign-in`);
  await page.fill('input[name=user]', 'admin');
  await page.fill('input[name=password]', password);
  await page.click('button.primary');
  await page.waitForURL(`${url}/`);
  return speaker(page, url);
}

const wanted = (name) => only.length === 0 || only.some((word) => name.includes(word));

try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await openPage(context);
  const api = await signIn(page);
  const list = [open('sign-in', '/sign-in'), open('welcome', '/welcome'), ...(await scenes(api))];
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
      page.expected.push(/503|404/);
      for (const scene of list) {
        const name = `${scene.name}-${size}-${theme}`;
        if (!wanted(name)) continue;
        try {
          await show(page, url, scene);
          const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          if (over > 0) page.faults.push(`${name} is ${over} px too wide`);
          await picture(page, join(folder, `${name}.png`));
        } catch (error) {
          page.faults.push(`${name}: ${error.message.split('\n')[0]}`);
        }
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

/** With SHOTS_LONG the whole of a page that scrolls, up to 4,000 pixels. */
async function picture(page, path) {
  const { width, height } = page.viewportSize();
  const more = await page.evaluate(() => {
    const main = document.getElementById('main');
    return main ? main.scrollHeight - main.clientHeight : 0;
  });
  const grown = Boolean(process.env.SHOTS_LONG) && more > 0;
  if (grown) await page.setViewportSize({ width, height: Math.min(4_000, height + more) });
  await frame(page);
  await page.screenshot({ path, timeout: 60_000 });
  if (grown) await page.setViewportSize({ width, height });
}
process.exit(faults > 0 ? 1 : 0);
