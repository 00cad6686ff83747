// One person's way through the console, from the first sign-in to signing out and in again.
//
// Invariant: every wait is for something on the page; nothing sleeps. A word on the browser's error
// channel fails the test at the step where it was said.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';
import { faultsOf } from './access.mjs';
import { launch, openPage } from './browser.mjs';
import { crowd } from './crowd.mjs';
import { frame, scenes, show } from './scenes.mjs';
import { startServer } from './server.mjs';
import { speaker } from './stage.mjs';
import { tabThrough } from './tabs.mjs';

const PASSWORD = 'correct horse battery';
const LONGEST_S = 1_500;
const HOSTS = 1_500;
const program = process.env.SPANDREL;
const scratch = mkdtempSync(join(tmpdir(), 'spandrel-shots-'));

const late = setTimeout(() => {
  console.error(`not done within ${LONGEST_S} s`);
  process.exit(1);
}, LONGEST_S * 1000);
late.unref();

/** A small capture in which somebody does what is reported without any learning. */
function makeCapture(name, scenario, minutes) {
  const path = join(scratch, name);
  const args = ['lab', '--out', path, '--minutes', String(minutes), '--quiet', '20'];
  execFileSync(program, [...args, '--scenario', scenario], { stdio: 'ignore' });
  return path;
}

/** Whether a drill can have a network of its own here. */
function canIsolate() {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  return spawnSync('unshare', [...user, '--net', '--pid', '--fork', 'ip', 'link']).status === 0;
}

const steps = [];
const step = (name, run) => steps.push([name, run]);

step('the welcome link sets the password and signs in', async ({ page, server }) => {
  await page.goto(server.link);
  // The token leaves the address bar at once.
  await page.waitForURL(`${server.url}/welcome`);
  await page.fill('input[name=password]', PASSWORD);
  await page.fill('input[name=again]', 'something else');
  await page.getByText('It is not the same.').waitFor();
  await page.fill('input[name=again]', PASSWORD);
  await page.click('button.primary');
  await page.waitForURL(`${server.url}/`);
});

step('the overview fills by itself', async ({ page }) => {
  await page.locator('[data-state=live]').waitFor();
  const assets = page.locator('a.figure[href="/assets"] b');
  await page.waitForFunction(
    () => Number(document.querySelector('a.figure[href="/assets"] b')?.textContent) >= 30,
    null,
    { timeout: 60_000 },
  );
  assert.ok(Number(await assets.textContent()) >= 30);
  await page.locator('.uplot canvas').waitFor({ timeout: 60_000 });
  await page.getByRole('heading', { name: 'Purdue levels' }).waitFor();
});

step('keys go to places, ? says which', async ({ page, server }) => {
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard' }).getByText('Go to Map').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog', { name: 'Keyboard' }).waitFor({ state: 'hidden' });
  await page.keyboard.press('g');
  await page.keyboard.press('m');
  await page.waitForURL(`${server.url}/map**`);
});

step('the map draws the plant', async ({ page }) => {
  await page.locator('main canvas').first().waitFor();
  await page.waitForFunction(() => {
    // Something is drawn when one of the canvases holds more than one colour.
    return [...document.querySelectorAll('main canvas')].some((canvas) => {
      const context = canvas.getContext('2d');
      if (!context || canvas.width === 0 || canvas.height === 0) return false;
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      const seen = new Set();
      for (let at = 0; at < data.length && seen.size < 8; at += 64) {
        seen.add(`${data[at]},${data[at + 1]},${data[at + 2]}`);
      }
      return seen.size >= 8;
    });
  });
});

step('whoever sees the whole map sees it in another window as well', async ({ page }) => {
  // The small map is there where there is more than can be seen.
  const more = page.locator('.map .mini');
  await more.waitFor({ state: 'detached' });
  await page.setViewportSize({ width: 800, height: 560 });
  for (let n = 0; n < 4; n += 1) await frame(page);
  await more.waitFor({ state: 'detached' });
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.getByRole('button', { name: 'Zoom in' }).click();
  await more.waitFor();
  await page.getByRole('button', { name: 'Show everything' }).click();
  await more.waitFor({ state: 'detached' });
});

step('keys go from asset to asset on the map, and the list says the same', async ({ page, server }) => {
  const said = page.locator('.map p[aria-live]');
  await page.locator('.map canvas').first().focus();
  await page.keyboard.press('Home');
  await page.waitForFunction(() => document.querySelector('.map p[aria-live]')?.textContent !== '');
  const first = await said.textContent();
  await page.keyboard.press('ArrowDown');
  await page.waitForFunction(
    (before) => document.querySelector('.map p[aria-live]')?.textContent !== before,
    first,
  );
  const name = (await said.textContent())?.split(',')[0] ?? '';
  await page.keyboard.press('Enter');
  await page.waitForURL(/asset=ast_/);
  const panel = page.getByRole('complementary', { name: 'Selected asset' });
  await panel.getByRole('heading', { level: 2, name }).waitFor();
  await panel.getByRole('heading', { name: /links?/ }).waitFor();
  await page.keyboard.press('Escape');
  await panel.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'List' }).click();
  await page.getByRole('button', { name, exact: true }).first().waitFor();
  await page.getByRole('tab', { name: /Connected pairs/ }).click();
  await page.locator('.list tbody tr').first().waitFor();
  await page.goto(`${server.url}/map`);
  // Keys are heard once the frame around the page is there.
  await page.locator('.map canvas').first().waitFor();
});

step('assets: facets, a filter, a wrong filter, keys', async ({ page, server }) => {
  await page.keyboard.press('g');
  await page.keyboard.press('a');
  await page.waitForURL(`${server.url}/assets`);
  await page.locator('table tbody tr.line').nth(15).waitFor();
  // The plant has more makers than a facet shows at first; unfolded, the focus is where they go on.
  const makers = page.locator('.facets details', { hasText: 'Vendor' });
  await makers.getByRole('button', { name: /^Show \d+ more$/ }).click();
  await makers.locator('input').nth(10).waitFor();
  await page.waitForFunction(() => document.activeElement?.matches('.facets input'));
  const names = (await makers.locator('label').allTextContents()).filter((t) => /Siemens/i.test(t));
  assert.equal(names.length, 1, `one maker, one value: ${names}`);
  await page.locator('.facets label', { hasText: /^\s*PLC/ }).click();
  await page.waitForURL(/class=plc/);
  await page.waitForFunction(() => {
    const lines = [...document.querySelectorAll('tbody tr.line')];
    return lines.length > 0 && lines.every((line) => /PLC/.test(line.textContent ?? ''));
  });
  // Another class is there to be chosen beside it.
  const other = page.locator('.facets label', { hasText: /^\s*HMI/ });
  await other.click();
  await page.waitForURL(/class=plc&class=hmi/);
  await page.locator('tbody tr.line', { hasText: 'HMI' }).first().waitFor();
  await other.click();
  await page.waitForURL((url) => !url.search.includes('hmi'));
  await page.keyboard.press('/');
  await page.keyboard.type('colour eq 1');
  page.expected.push(/422/);
  await page.keyboard.press('Enter');
  await page.getByRole('alert').filter({ hasText: 'colour' }).waitFor();
  await page.getByRole('searchbox').fill('vendor contains "siemens"');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor({ state: 'detached' });
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await page.locator('tbody tr.line').first().waitFor();
});

step('what another program would take for a filter is offered as one of ours', async ({ page }) => {
  const box = page.getByRole('searchbox');
  await box.fill('class = plc');
  await page.getByRole('button', { name: 'class eq "plc"' }).click();
  await page.waitForURL(/q=class\+eq/);
  await page.locator('tbody tr.line', { hasText: 'PLC' }).first().waitFor();
  await box.and(page.locator(':focus')).waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await page.locator('tbody tr.line').first().waitFor();
});

step('an address of what is gone leads to what is there', async ({ page, server }) => {
  page.expected.push(/404/);
  await page.goto(`${server.url}/assets/ast_0000000000000000`);
  await page.getByRole('link', { name: 'Go to Assets' }).click();
  await page.locator('tbody tr.line').first().waitFor();
  page.expected.pop();
});

step('an asset shows how it is known and can be edited', async ({ page }) => {
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/assets\/ast_/);
  await page.getByRole('heading', { name: 'Facts' }).waitFor();
  await page.getByRole('heading', { name: 'Links' }).waitFor();
  await page.getByRole('button', { name: 'Edit' }).click();
  const dialog = page.getByRole('dialog');
  const hostile = '<img src=x onerror=alert(1)> “Filler” '.padEnd(128, 'w');
  await dialog.getByLabel('Name').fill(hostile);
  await dialog.getByLabel('Criticality').selectOption('4');
  await dialog.getByLabel('Labels').fill('line=2');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.locator('h1', { hasText: '<img src=x' }).waitFor();
  await page.getByText('line=2').first().waitFor();
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.equal(over, 0, 'a hostile name does not widen the page');
});

step('a capture is uploaded, parsed and imported', async ({ page, server, capture }) => {
  await page.keyboard.press('g');
  await page.keyboard.press('c');
  await page.waitForURL(`${server.url}/captures`);
  await page.setInputFiles('#capture-file', capture);
  await page.locator('tr[data-state=done]').waitFor({ timeout: 60_000 });
  await page.locator('tr[data-state=done]').getByText(/^\d+ min$/).waitFor();
  await page.getByRole('link', { name: 'download.pcapng' }).click();
  await page.getByRole('tab', { name: /Findings [1-9]/ }).waitFor();
  await page.locator('main li button').first().click();
  await page.getByRole('dialog').getByRole('heading', { name: 'Evidence' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('tab', { name: /Assets/ }).click();
  await page.locator('tbody tr.line').first().waitFor();
});

step('an open list of findings grows when the capture is imported', async (test) => {
  const { page, server } = test;
  // A second page of the same person looks at the list while the first imports.
  const watcher = await openPage(page.context());
  await watcher.goto(`${server.url}/findings?view=all`);
  await watcher.locator('[data-state=live]').waitFor();
  await page.getByRole('button', { name: 'Import into the site' }).click();
  await page.getByText('joined the site').waitFor();
  await watcher.locator('tbody tr.line', { hasText: 'downloads a program' }).first().waitFor();
  assert.deepEqual(watcher.faults, []);
  await watcher.close();
});

async function makeUser(page, server, name, role) {
  const me = await (await page.request.get(`${server.url}/api/v1/me`)).json();
  const headers = { 'x-csrf-token': me.csrf };
  const data = { name, role, password: PASSWORD };
  const made = await page.request.post(`${server.url}/api/v1/users`, { data, headers });
  assert.equal(made.status(), 201);
}

async function giveTo(page, whom) {
  await page.getByRole('button', { name: 'Give to' }).click();
  await page.getByRole('menuitemcheckbox', { name: whom }).click();
}

step('a finding is understood and triaged', async ({ page, server }) => {
  await page.keyboard.press('g');
  await page.keyboard.press('f');
  await page.waitForURL(`${server.url}/findings`);
  await page.locator('tbody tr.line', { hasText: 'downloads a program' }).first().click();
  await page.waitForURL(/\/findings\/fnd_/);
  await page.locator('.hex').first().waitFor();
  await page.getByText('Program Download').waitFor();
  await page.locator('.steps input').first().check();
  await page.getByText(/^1 of \d+ done$/).waitFor();
  await page.keyboard.press('a');
  await page.locator('.state', { hasText: 'Acknowledged' }).waitFor();
  await page.getByRole('button', { name: 'Take' }).click();
  await page.locator('.state', { hasText: 'admin has it' }).waitFor();
  await giveTo(page, 'Nobody');
  await page.locator('.state', { hasText: 'Nobody has it' }).waitFor();
  await makeUser(page, server, 'berta', 'analyst');
  await giveTo(page, 'berta');
  await page.locator('.state', { hasText: 'berta has it' }).waitFor();
  await page.fill('textarea[name=note]', 'planned, change 4711');
  await page.getByRole('button', { name: 'Save note' }).click();
  await page.getByText('The note is saved').waitFor();
  await page.getByRole('button', { name: 'Mute', exact: true }).click();
  await page.fill('textarea[name=reason]', 'engineering week');
  await page.getByRole('dialog').getByRole('button', { name: 'Mute', exact: true }).click();
  await page.getByRole('button', { name: 'Unmute' }).waitFor();
  await page.getByText('engineering week').first().waitFor();
});

step('a note that somebody else writes meanwhile is not overwritten unseen', async ({ page }) => {
  const note = page.locator('textarea[name=note]');
  await note.fill('mine');
  const id = page.url().split('/').at(-1);
  await page.evaluate(async (id) => {
    const { csrf } = await (await fetch('/api/v1/me')).json();
    const path = `/api/v1/findings/${id}`;
    const etag = (await fetch(path)).headers.get('etag');
    const headers = { 'x-csrf-token': csrf, 'if-match': etag, 'content-type': 'application/json' };
    const body = JSON.stringify({ note: 'the shift leader knows' });
    const answer = await fetch(path, { method: 'PATCH', headers, body });
    if (!answer.ok) throw new Error(await answer.text());
  }, id);
  await page.getByText('Somebody else wrote meanwhile:').waitFor();
  const save = page.getByRole('button', { name: 'Save note' });
  assert.ok(await save.isDisabled(), 'which of the two is meant comes first');
  await page.getByRole('button', { name: 'Keep both' }).click();
  await save.click();
  await page.getByText('The note is saved').waitFor();
  assert.equal(await note.inputValue(), 'the shift leader knows\n\nmine');
});

/** Goes on with Tab until something has the focus; whatever has it on the way shows it. */
async function tabTo(page, locator, key = 'Tab') {
  for (let presses = 0; presses < 120; presses += 1) {
    await page.keyboard.press(key);
    const bare = await page.evaluate(() => {
      const here = document.activeElement;
      if (!here || here === document.body || here.id === 'main') return null;
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(here);
      const shows = outlineStyle !== 'none' && parseFloat(outlineWidth) > 0;
      return shows || boxShadow !== 'none' ? null : here.outerHTML.slice(0, 160);
    });
    assert.equal(bare, null, 'what has the focus shows it');
    if (await locator.evaluate((element) => element === document.activeElement)) return;
  }
  throw new Error(`no way by keys to ${locator}`);
}

step('a finding is triaged with keys alone', async ({ page, server }) => {
  await page.goto(`${server.url}/findings`);
  await page.locator('tbody tr.line').nth(1).waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/findings\/fnd_/);
  await page.getByRole('heading', { name: 'What happened' }).waitFor();
  await page.keyboard.press('t');
  await page.locator('.state', { hasText: 'admin has it' }).waitFor();
  const first = page.locator('.steps input').first();
  await tabTo(page, first);
  await page.keyboard.press('Space');
  await page.getByText(/^1 of \d+ done$/).waitFor();
  await tabTo(page, page.locator('textarea[name=note]'));
  await page.keyboard.type('looked at by keys');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByText('The note is saved').waitFor();
  await tabTo(page, page.getByRole('button', { name: 'Mute', exact: true }), 'Shift+Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').locator('textarea:focus').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  // Back where it was opened from, and back to the list.
  await page.locator('button:focus', { hasText: 'Mute' }).waitFor();
  await page.keyboard.press('Escape');
  await page.waitForURL(`${server.url}/findings`);
});

step('the map shows where a finding is, and goes to what to do', async ({ page, server }) => {
  await page.goto(`${server.url}/map`);
  const card = page.getByRole('region', { name: 'What is wrong' });
  await card.locator('li button').first().waitFor();
  await card.locator('button[aria-expanded]').click();
  const line = card.locator('li button', { hasText: 'downloads a program' }).first();
  await line.click();
  assert.equal(await line.getAttribute('aria-pressed'), 'true');
  await card.getByRole('link', { name: 'What to do' }).click();
  await page.waitForURL(/\/findings\/fnd_/);
  await page.getByRole('heading', { name: /downloads a program/ }).waitFor();
  await page.getByRole('link', { name: 'On the map' }).click();
  await page.getByRole('complementary', { name: 'Selected asset' }).waitFor();
});

step('a vault and its first plans are made with one click and carried out', async ({ page, server }) => {
  await page.keyboard.press('g');
  await page.keyboard.press('p');
  await page.waitForURL(`${server.url}/protection`);
  await page.getByText('Nothing is backed up yet').waitFor();
  await page.getByText('Control plane').first().waitFor();
  await page.getByRole('button', { name: 'Make the vault and begin' }).click();
  await page.getByText(/Keep a copy of .*vault\.key on paper/).waitFor({ timeout: 60_000 });
  const row = page.locator('tr', { hasText: 'Control plane' });
  await row.getByText('Protected').waitFor({ timeout: 60_000 });
});

step('a plan that would ask the simulated plant is refused and says why', async ({ page, server }) => {
  await page.goto(`${server.url}/protection/plans`);
  await page.getByRole('button', { name: 'New plan' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name', { exact: true }).fill('Controllers');
  page.expected.push(/422/);
  await dialog.getByRole('button', { name: 'Save' }).click();
  const why = dialog.getByRole('alert').filter({ hasText: 'exists in the simulated plant only' });
  await why.filter({ hasText: 'use the plans that suit this server' }).waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
});

step('a plan of a directory is made and run', async ({ page, server, plant }) => {
  await page.goto(`${server.url}/protection/plans`);
  await page.getByRole('button', { name: 'New plan' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name', { exact: true }).fill('Project share');
  await dialog.getByLabel('Something that is no asset').check();
  await dialog.getByLabel('Name of what is backed up').fill('Project share');
  await dialog.getByLabel('From, one source a line').fill('nonsense');
  page.expected.push(/422/);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.getByRole('alert').filter({ hasText: 'KIND:WHERE' }).waitFor();
  await dialog.getByLabel('From, one source a line').fill(`files:${plant}`);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Plan Project share is saved').waitFor();
  const row = page.locator('tr', { hasText: 'Project share' });
  await row.getByText('1 of 1').waitFor({ timeout: 60_000 });
  writeFileSync(join(plant, 'limits.json'), '{"pressure":{"high":9}}');
  await row.getByRole('button', { name: 'Run Project share now' }).click();
  await page.getByText('1 backup of Project share queued').waitFor();
  await page.goto(`${server.url}/protection/snapshots`);
  const group = page.locator('tbody', { hasText: 'Project share' });
  await group.getByText('2 snapshots').waitFor({ timeout: 60_000 });
});

step('a snapshot shows its files, and what changed since the one before', async ({ page, plant }) => {
  const group = page.locator('tbody', { hasText: 'Project share' });
  await group.getByRole('link', { name: 'what changed' }).click();
  await page.waitForURL(/\/protection\/compare\?/);
  const changed = page.locator(`section[data-path="${join(plant, 'limits.json')}"]`);
  await changed.getByText('/pressure/high').waitFor({ timeout: 60_000 });
  await changed.getByRole('button', { name: 'Lines' }).click();
  await changed.locator('.lines .new', { hasText: '"high":9' }).waitFor();
  await page.getByRole('link', { name: 'Restore the older one' }).click();
  await page.waitForURL(/\/protection\/snapshots\/[0-9a-f]{64}/);
  await page.getByRole('button', { name: 'limits.json', exact: true }).click();
  await page.getByRole('dialog').getByText('"high":6').waitFor();
  await page.keyboard.press('Escape');
});

step('a snapshot is restored to a directory, and a kit is downloaded', async ({ page, scratch, plant }) => {
  const to = join(scratch, 'restored');
  await page.getByRole('button', { name: 'Restore', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Directory', { exact: true }).fill(to);
  await dialog.getByRole('button', { name: 'Restore', exact: true }).click();
  await dialog.getByText(/each with the right hash/).waitFor({ timeout: 60_000 });
  await dialog.getByText(to).waitFor();
  assert.equal(readFileSync(join(to, plant, 'limits.json'), 'utf8'), '{"pressure":{"high":6}}');
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  await page.getByRole('button', { name: 'Restore', exact: true }).click();
  await dialog.getByLabel(/A restore kit/).check();
  await dialog.getByRole('button', { name: 'Make the kit' }).click();
  const [kit] = await Promise.all([
    page.waitForEvent('download'),
    dialog.getByRole('link', { name: 'Download the kit' }).click({ timeout: 60_000 }),
  ]);
  const bytes = readFileSync(await kit.path());
  assert.ok(bytes.includes('READ-ME-FIRST.txt') && bytes.includes('fingerprints.json'));
  await dialog.getByRole('button', { name: 'Close' }).last().click();
});

step('a restore goes by keys alone', async ({ page }) => {
  const restore = page.getByRole('button', { name: 'Restore', exact: true });
  await page.locator('h1').waitFor();
  await page.evaluate(() => document.getElementById('main')?.focus());
  await tabTo(page, restore);
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await tabTo(page, dialog.getByLabel('A directory of the server'));
  await page.keyboard.press('ArrowDown');
  assert.ok(await dialog.getByLabel(/A restore kit/).isChecked());
  await tabTo(page, dialog.getByRole('button', { name: 'Make the kit' }));
  await page.keyboard.press('Enter');
  const kit = dialog.getByRole('link', { name: 'Download the kit' });
  await kit.waitFor({ timeout: 60_000 });
  await tabTo(page, kit);
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  await page.locator('button:focus', { hasText: 'Restore' }).waitFor();
});

step('a hold is put and seen, and one person cannot release it', async ({ page, server }) => {
  await page.getByRole('button', { name: 'Hold', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Reason').fill('dispute 7');
  await dialog.getByRole('button', { name: 'Hold', exact: true }).click();
  await page.getByText('held: dispute 7').waitFor({ timeout: 60_000 });
  await page.goto(`${server.url}/protection/keeping`);
  await page.getByRole('button', { name: 'Release' }).click();
  await dialog.getByLabel('Reason').fill('settled');
  page.expected.push(/409/);
  await dialog.getByRole('button', { name: 'Ask for the release' }).click();
  await dialog.getByRole('alert').filter({ hasText: 'second administrator' }).waitFor();
  await page.keyboard.press('Escape');
});

step('a second administrator approves the release, which waits and is withdrawn', async ({ page, server, browser }) => {
  await makeUser(page, server, 'bert', 'admin');
  await page.getByRole('button', { name: 'Release' }).click();
  await page.getByRole('dialog').getByLabel('Reason').fill('settled');
  await page.getByRole('button', { name: 'Ask for the release' }).click();
  await page.getByText('Release asked for by admin').waitFor({ timeout: 60_000 });
  assert.ok(await page.getByRole('button', { name: 'Approve' }).isDisabled(), 'not by the same');
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const other = await openPage(context);
  other.expected.push(/401/);
  await other.goto(`${server.url}/protection/keeping`);
  await other.waitForURL(/\/sign-in/);
  await other.fill('input[name=user]', 'bert');
  await other.fill('input[name=password]', PASSWORD);
  await other.click('button.primary');
  await other.getByRole('button', { name: 'Approve' }).click();
  await other.getByText('unless withdrawn').waitFor({ timeout: 60_000 });
  await other.getByRole('button', { name: 'Withdraw' }).click();
  await other.getByText('Waiting for approval').waitFor({ state: 'detached', timeout: 60_000 });
  await other.getByText('dispute 7, admin').waitFor();
  assert.deepEqual(other.faults, []);
  await context.close();
});

step('a recovery plan is drilled, waits for a person, and its report prints', async ({ page, server }) => {
  if (!canIsolate()) {
    console.log('SKIPPED drills: no network namespaces here; needs util-linux and iproute2');
    return;
  }
  await page.goto(`${server.url}/protection/recovery`);
  await page.getByRole('button', { name: 'Add Lab historian' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Plan').fill('name = 7');
  page.expected.push(/422/);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.getByRole('alert').filter({ hasText: 'name' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Add Lab historian' }).click();
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByText('The recovery plan is saved').waitFor({ timeout: 60_000 });
  await page.getByRole('button', { name: 'Drill Lab historian' }).click();
  await page.waitForURL(/\/protection\/drills\/run/);
  await page.getByText('It waits for the shift lead').waitFor({ timeout: 60_000 });
  await page.locator('[data-state=running]', { hasText: 'look at the newest values' }).waitFor();
  await page.getByRole('button', { name: 'It is done' }).click();
  await page.locator('.chip[data-state=complete]').waitFor({ timeout: 60_000 });
  assert.equal(await page.locator('.step[data-state=ok]').count(), 3);
  await page.getByText('by admin', { exact: true }).waitFor();
  const [report] = await Promise.all([
    page.waitForEvent('popup'),
    page.getByRole('link', { name: 'Report to print' }).click(),
  ]);
  await report.locator('.verdict.passed').waitFor();
  const printed = await report.pdf({ format: 'A4' });
  assert.ok(printed.subarray(0, 5).toString() === '%PDF-' && printed.length > 10_000);
  await report.close();
  await page.goto(`${server.url}/protection/recovery`);
  const plans = page.getByRole('table', { name: 'Recovery plans' });
  await plans.getByRole('row', { name: /Lab historian/ }).locator('.chip.ok').first().waitFor();
});

step('a finding that says the same thing twice has a page', async ({ page, server }) => {
  const twice = (list) => [...list, ...list];
  const detail = /\/api\/v1\/findings\/fnd_\w+$/;
  await page.route(detail, async (route) => {
    const answer = await route.fetch();
    const finding = await answer.json();
    const { assets, addresses, techniques, runbook } = finding;
    const json = {
      ...finding,
      // Nobody is known to have begun it: it is not said of the first one named.
      initiator: null,
      assets: twice(assets),
      addresses: twice(addresses),
      techniques: twice(techniques),
      runbook: `${runbook}\n${runbook}`,
    };
    await route.fulfill({ response: answer, json });
  });
  const [{ id }] = (await (await page.request.get(`${server.url}/api/v1/findings?limit=1`)).json())
    .items;
  await page.goto(`${server.url}/findings/${id}`);
  await page.getByRole('heading', { name: 'Evidence' }).waitFor();
  await page.getByRole('heading', { name: 'MITRE ATT&CK' }).waitFor();
  await page.locator('dt', { hasText: /^Concerns$/ }).waitFor();
  assert.equal(await page.locator('dt', { hasText: /^(Who|To whom)$/ }).count(), 0);
  await page.unroute(detail);
});

step('several findings are closed at once', async ({ page, server }) => {
  await page.goto(`${server.url}/findings`);
  await page.locator('tbody tr.line').first().waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  const chosen = await page.locator('tbody tr.line.chosen').count();
  assert.ok(chosen >= 1);
  await page.getByRole('toolbar').getByRole('button', { name: 'False positive' }).click();
  await page.getByText(/findings? set to false positive/).waitFor();
});

step('a list of thousands is never a wall', async ({ page, server }) => {
  await page.goto(`${server.url}/captures`);
  const file = { name: 'crowd.pcap', mimeType: 'application/octet-stream', buffer: crowd(HOSTS) };
  await page.setInputFiles('#capture-file', file);
  await page.locator('tr[data-state=done]', { hasText: 'crowd.pcap' }).waitFor({ timeout: 60_000 });
  await page.getByRole('link', { name: 'crowd.pcap' }).click();
  await page.getByRole('button', { name: 'Import into the site' }).click();
  await page.getByText('joined the site').waitFor({ timeout: 60_000 });
  await page.goto(`${server.url}/assets?q=ip+contains+%2210.99.%22&sort=name`);
  await page.locator('tbody tr.line').first().waitFor();
  const drawn = () => page.locator('tbody tr.line').count();
  // To the end, as pages come: the last row is there, and few others are.
  await page.waitForFunction((hosts) => {
    const main = document.getElementById('main');
    main?.scrollTo(0, main.scrollHeight);
    const rows = Number(document.querySelector('table')?.getAttribute('aria-rowcount'));
    return rows > hosts;
  }, HOSTS);
  assert.ok((await drawn()) < 80, `${await drawn()} rows are in the page`);
  const place = await page.evaluate(() => document.getElementById('main')?.scrollTop ?? 0);
  await page.locator('tbody tr.line').last().click();
  await page.waitForURL(/\/assets\/ast_/);
  await page.goBack();
  await page.waitForFunction(
    (place) => Math.abs((document.getElementById('main')?.scrollTop ?? 0) - place) < 200,
    place,
  );
});

step('every settings section opens', async ({ page, server }) => {
  for (const [path, word] of [
    ['sensors', 'lab plant'],
    ['agents', 'No port is open for agents'],
    ['zones', 'Zones'],
    ['mutes', 'engineering week'],
    ['users', 'Last sign-in'],
    ['tokens', 'API tokens'],
    ['audit', 'Until the end of'],
    ['about', 'SIL OPEN FONT LICENSE'],
  ]) {
    await page.goto(`${server.url}/settings/${path}`);
    await page.locator('main').getByText(word).first().waitFor();
  }
  await page.goto(`${server.url}/settings/audit`);
  await page.getByRole('button', { name: 'admin', exact: true }).first().click();
  await page.waitForURL(/actor=admin/);
  const all = page.getByRole('button', { name: 'Show all' });
  await all.waitFor();
  await page.goBack();
  await page.waitForURL(`${server.url}/settings/audit`);
  await all.waitFor({ state: 'detached' });
  // The log is narrowed down, told to others by its address, and taken along as a table.
  await page.getByLabel('Result').selectOption('refused');
  await page.waitForURL(/result=refused/);
  await page.getByLabel('Until the end of').fill('2020-01-01');
  await page.getByText('No such records').waitFor();
  await all.click();
  await page.waitForURL(`${server.url}/settings/audit`);
  const [table] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'CSV' }).click(),
  ]);
  assert.match(table.suggestedFilename(), /^audit-log-[\d-]+\.csv$/);
  assert.match(readFileSync(await table.path(), 'utf8'), /^\uFEFFseq,at,actor,[^\n]+\r\n\d+,/);
  await page.getByText('Chain intact').waitFor();
  const log = await (await page.request.get(`${server.url}/api/v1/audit?limit=200`)).json();
  const imports = log.items.filter(({ resource }) => resource.endsWith(':import'));
  assert.ok(imports.every(({ after }) => after.file.includes('.pcap')), 'an import names its file');
});

step('CSV has every row of the list and one header', async ({ page, server }) => {
  await page.goto(`${server.url}/assets?q=ip+contains+%2210.99.%22`);
  await page.locator('tbody tr.line').first().waitFor();
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'CSV' }).click(),
  ]);
  assert.match(file.suggestedFilename(), /^assets-[\d-]+\.csv$/);
  const lines = readFileSync(await file.path(), 'utf8')
    .trim()
    .split('\r\n');
  assert.ok(lines[0].includes('name'), lines[0]);
  assert.ok(lines.length > HOSTS, `${lines.length} lines`);
  assert.equal(lines.filter((line) => line === lines[0]).length, 1, 'one header');
  await page.goto(`${server.url}/findings?view=all&severity=high`);
  await page.locator('tbody tr.line').first().waitFor();
  const [findings] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'CSV' }).click(),
  ]);
  const rows = readFileSync(await findings.path(), 'utf8').trim().split('\r\n').slice(1);
  assert.ok(rows.length > 0 && rows.every((row) => row.includes(',high,')), 'as it is narrowed down');
});

/**
 * Lets the page ask for something while the request to `path` is on its way, and refuses it as the
 * server does between the end of one session and the beginning of the next.
 */
async function refusedMeanwhile(page, path, act) {
  let refused;
  const seen = new Promise((resolve) => (refused = resolve));
  const overview = '**/api/v1/overview';
  await page.route(overview, async (route) => {
    await route.fulfill({ status: 401, contentType: 'application/problem+json', body: '{}' });
    refused();
  });
  await page.route(path, async (route) => {
    await seen;
    // The page has its answer, and has done with it what it does.
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
    await page.unroute(overview);
    await route.continue();
  });
  // A page that asks for nothing fails here, in time, and does not wait for ever.
  const asked = page.waitForResponse(overview);
  await act();
  await asked;
}

step('a viewer sees everything and changes nothing', async ({ page, server, browser }) => {
  await page.goto(`${server.url}/settings/users`);
  await page.getByRole('button', { name: 'New user' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').and(page.locator(':focus')).waitFor();
  await dialog.getByLabel('Name').fill('vera');
  await dialog.getByLabel('Password').fill(PASSWORD);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByText('vera is saved').waitFor();
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const other = await openPage(context);
  // Before anybody is signed in, /me says so.
  other.expected.push(/401/);
  await other.goto(`${server.url}/findings?view=all`);
  await other.waitForURL(/\/sign-in/);
  await other.fill('input[name=user]', 'vera');
  await other.fill('input[name=password]', PASSWORD);
  await other.click('button.primary');
  await other.waitForURL(`${server.url}/findings?view=all`);
  await other.locator('tbody tr.line').first().waitFor();
  assert.equal(await other.locator('tbody input[type=checkbox]').count(), 0);
  await other.locator('tbody tr.line').first().click();
  await other.getByRole('heading', { name: 'Evidence' }).waitFor();
  assert.equal(await other.getByRole('button', { name: 'Take' }).count(), 0);
  await other.goto(`${server.url}/settings/users`);
  await other.getByText('This is not for your role').waitFor();
  // Whoever gave vera her password knows it no longer.
  const own = 'a sentence of her own';
  await other.getByRole('button', { name: 'Account of vera' }).click();
  await other.getByRole('menuitem', { name: 'Change password' }).click();
  const change = other.getByRole('dialog', { name: 'Change your password' });
  await change.getByLabel('Password now').fill('what was it again');
  await change.locator('input[name=password]').fill(own);
  await change.getByLabel('New password, again').fill(own);
  other.expected.push(/422/);
  await change.getByRole('button', { name: 'Change' }).click();
  await change.getByRole('alert').filter({ hasText: 'not your password' }).waitFor();
  await change.getByLabel('Password now').fill(PASSWORD);
  await refusedMeanwhile(other, '**/api/v1/me:password', () =>
    change.getByRole('button', { name: 'Change' }).click(),
  );
  await other.getByText('Your password is changed').waitFor();
  assert.equal(other.url(), `${server.url}/settings/users`);
  await other.reload();
  await other.locator('[data-state=live]').waitFor();
  const tries = [PASSWORD, own].map(async (password) => {
    const data = { user: 'vera', password };
    return (await other.request.fetch(`${server.url}/api/v1/session`, { method: 'POST', data })).status();
  });
  assert.deepEqual(await Promise.all(tries), [401, 200]);
  assert.deepEqual(other.faults, []);
  await context.close();
});

/** Views that are made of what others show as well: to look at them again costs more than it tells. */
const ALIKE = new RegExp(
  `^(${[
    'finding-(?!scan|program-transfer|mute)',
    'empty-(?!overview|findings)',
    'broken-(?!assets)',
    '(assets-none|asset-hostile|palette|menu-theme|zone-new|settings-mutes)$',
    '(plan-edit|user-edit|sensors-learn|overview-failed)$',
  ].join('|')})`,
);

/** Runs `look` on a page in each theme, at once, signed in as `page` is; gives all faults. */
async function inBothThemes({ page, browser }, look) {
  const storageState = await page.context().storageState();
  const looked = ['light', 'dark'].map(async (colorScheme) => {
    const context = await browser.newContext({
      ignoreHTTPSErrors: true,
      viewport: { width: 1440, height: 900 },
      reducedMotion: 'reduce',
      colorScheme,
      storageState,
    });
    const other = await openPage(context);
    const faults = await look(other, colorScheme);
    faults.push(...other.faults);
    await context.close();
    return faults;
  });
  return (await Promise.all(looked)).flat();
}

step('no view has a serious fault of accessibility, in either theme', async (test) => {
  const { page, server, browser } = test;
  const all = (await scenes(await speaker(page, server.url))).filter(
    ({ name }) => !ALIKE.test(name),
  );
  const looked = await inBothThemes({ page, browser }, async (other, colorScheme) => {
    other.expected.push(/503|404/);
    const faults = [];
    for (const scene of all) {
      // In the other theme only colours differ, and a dialog has those of its page.
      const dark = colorScheme === 'dark';
      if (scene.settles === false || (dark && (scene.act || scene.before))) continue;
      await show(other, server.url, scene);
      const found = await faultsOf(other, dark ? ['color-contrast'] : null);
      faults.push(...found.map((fault) => `${scene.name}, ${colorScheme}: ${fault}`));
    }
    return faults;
  });
  assert.equal(looked.length, 0, looked.join('\n'));
});

/** Those with the most different things to stop at. */
const WALKED =
  /^(overview-full|map-filters|asset|findings-chosen|captures|protection|plan-new|zone-new|palette)$/;

step('Tab alone goes through every kind of view, and shows where it is', async (test) => {
  const { page, server, browser } = test;
  const all = await scenes(await speaker(page, server.url));
  const walked = await inBothThemes({ page, browser }, async (other, colorScheme) => {
    const half = colorScheme === 'dark' ? 1 : 0;
    const faults = [];
    const some = all.filter(({ name }) => WALKED.test(name));
    for (const scene of some.filter((_, at) => at % 2 === half)) {
      await show(other, server.url, scene);
      const { faults: found, stops } = await tabThrough(other, 40);
      if (stops.length === 0) found.push('has no stop');
      faults.push(...found.map((fault) => `${scene.name}, ${colorScheme}: ${fault}`));
    }
    return faults;
  });
  assert.equal(walked.length, 0, walked.join('\n'));
});

step('a page that is gone to by keys begins at its top, and a dialog gives the focus back', async ({ page, server }) => {
  await page.goto(`${server.url}/`);
  await page.locator('[data-state=live]').waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Skip to the page');
  await page.locator('nav.rail a[href="/assets"]').focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/assets/);
  await page.waitForFunction(() => document.activeElement?.id === 'main');
  const columns = page.getByRole('button', { name: 'Columns' });
  await columns.focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('ArrowDown');
  await page.getByRole('menuitemcheckbox').first().and(page.locator(':focus')).waitFor();
  await page.keyboard.press('Escape');
  await columns.and(page.locator(':focus')).waitFor();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Shift+Tab');
  await page.getByRole('menuitemcheckbox').first().waitFor({ state: 'detached' });
  const sort = page.locator('th', { hasText: 'Vendor' }).getByRole('button');
  await sort.focus();
  await page.keyboard.press('Enter');
  await page.locator('th[aria-sort=ascending]', { hasText: 'Vendor' }).waitFor();
  await page.keyboard.press('Space');
  await page.locator('th[aria-sort=descending]', { hasText: 'Vendor' }).waitFor();
  await page.goto(`${server.url}/settings/zones`);
  const make = page.getByRole('button', { name: 'New zone' });
  await make.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: /zone/i }).waitFor();
  await page.keyboard.press('Escape');
  await make.and(page.locator(':focus')).waitFor();
});

step('whoever wants no motion has none', async ({ page, server }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  const moving = () =>
    page.evaluate(() =>
      document
        .getAnimations()
        .filter((one) => one.playState === 'running' && one.effect?.getTiming().duration > 20)
        .map((one) => one.animationName ?? one.transitionProperty ?? String(one)),
    );
  await page.goto(`${server.url}/`);
  await page.locator('[data-state=live]').waitFor();
  assert.deepEqual(await moving(), []);
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
  assert.deepEqual(await moving(), []);
  await page.keyboard.press('Escape');
  await page.emulateMedia({ reducedMotion: 'no-preference' });
});

step('a telephone shows every page without scrolling sideways', async ({ page, server }) => {
  const asset = await page.request.get(`${server.url}/api/v1/assets?limit=1&sort=-packets`);
  const finding = await page.request.get(`${server.url}/api/v1/findings?limit=1`);
  const [{ id }] = (await asset.json()).items;
  const [{ id: found }] = (await finding.json()).items;
  await page.setViewportSize({ width: 390, height: 844 });
  const paths = ['/', '/map', '/assets', `/assets/${id}`, '/findings', `/findings/${found}`];
  const protection = ['', '/plans', '/snapshots', '/recovery', '/runs', '/keeping'];
  const more = protection.map((section) => `/protection${section}`);
  for (const path of [...paths, ...more, '/captures', '/settings/audit', '/settings/zones']) {
    await page.goto(server.url + path);
    await page.locator('[data-state=live]').waitFor();
    await page.waitForFunction(() => !document.querySelector('.loading'));
    const over = await page.evaluate(() => {
      const main = document.getElementById('main');
      // What is chosen from is in sight, all of it.
      const choices = [...document.querySelectorAll('main nav, main [role=tablist]')];
      const wide = [main, ...choices].map((box) => (box ? box.scrollWidth - box.clientWidth : 0));
      return Math.max(document.documentElement.scrollWidth - innerWidth, ...wide);
    });
    assert.ok(over <= 0, `${path} is ${over} px too wide`);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
});

step('the palette finds an asset', async ({ page }) => {
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox').fill('filler');
  await page.getByRole('option').filter({ hasText: '<img src=x' }).first().click();
  await page.waitForURL(/\/assets\/ast_/);
});

step('the theme is kept', async ({ page }) => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.getByRole('button', { name: 'Theme' }).click();
  await page.getByRole('menuitem', { name: 'Dark' }).click();
  const dark = await ground();
  await page.reload();
  await page.locator('[data-state=live]').waitFor();
  assert.equal(await ground(), dark);
});

step('a page is printed whole, dark letters on white', async ({ page, server }) => {
  await page.goto(`${server.url}/protection`);
  await page.locator('main tbody tr').nth(20).waitFor();
  await page.evaluate(() => {
    addEventListener('beforeprint', () => (window.printed = document.documentElement.dataset.theme));
  });
  const paper = await page.pdf({ format: 'A4' });
  const sheets = paper.toString('latin1').match(/\/Type\s*\/Page\b(?!s)/g)?.length ?? 0;
  assert.ok(sheets > 1, `${sheets} sheet`);
  assert.equal(await page.evaluate(() => window.printed), 'light');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await page.emulateMedia({ media: 'print' });
  assert.ok(!(await page.getByRole('navigation', { name: 'Main' }).first().isVisible()));
  await page.emulateMedia({ media: null });
  // Of a list only what is in sight is drawn, and on paper all of it.
  const size = page.viewportSize();
  await page.setViewportSize({ width: 1280, height: 320 });
  for (const list of ['/assets', '/findings?view=all']) {
    await page.goto(`${server.url}${list}`);
    await page.locator('main tr.line').nth(15).waitFor();
    await page.evaluate(() => {
      addEventListener('beforeprint', () => {
        const count = (rows) => document.querySelectorAll(`main tr${rows}`).length;
        // Where the server has more there is no count: what was read is drawn, and that is said.
        const known = Number(document.querySelector('main table').ariaRowCount) - 1;
        const all = known >= 0 ? known : 100;
        const said = document.querySelector('main').textContent.includes('the CSV has all');
        window.laid = { all, lines: count('.line'), spaces: count('.space'), said, known };
      });
    });
    await page.pdf({ format: 'A4' });
    const { all, lines, spaces, said, known } = await page.evaluate(() => window.laid);
    assert.deepEqual([lines, spaces, said], [all, 0, known < 0], list);
    await page.waitForFunction(
      (all) => document.querySelectorAll('main tr.line').length < all,
      all,
    );
  }
  // A canvas is no picture for paper: the map is drawn anew, all of it, in the colours of paper.
  await page.setViewportSize(size);
  await page.goto(`${server.url}/map`);
  await page.locator('canvas[role=application]').waitFor();
  await page.evaluate(() => {
    addEventListener('beforeprint', () => {
      const map = document.querySelector('.sheet-of-paper svg');
      window.map = { words: map?.textContent ?? '', ground: map?.innerHTML.match(/fill="(.*?)"/)?.[1] };
    });
  });
  await page.pdf({ format: 'A4' });
  const map = await page.evaluate(() => window.map);
  assert.match(map.words, /Spandrel map, [\d,]+ assets/);
  assert.equal(map.ground, 'rgb(243, 245, 246)', 'the ground of the light theme');
  assert.equal(await page.locator('.sheet-of-paper').count(), 0);
  // The canvas has no size meanwhile, and is drawn as before when it is back.
  const canvas = page.locator('canvas[role=application]');
  const before = await canvas.evaluate(({ width, height }) => [width, height]);
  await page.emulateMedia({ media: 'print' });
  await page.locator('.sheet-of-paper svg').waitFor();
  await page.evaluate(() => new Promise((done) => setTimeout(done, 200)));
  await page.emulateMedia({ media: null });
  await canvas.waitFor();
  assert.deepEqual(await canvas.evaluate(({ width, height }) => [width, height]), before);
  await page.goto(`${server.url}/protection`);
});

step('a server that goes and comes back is told and followed', async ({ page, server }) => {
  page.expected.push(
    /ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|ERR_INCOMPLETE|ERR_HTTP2/,
  );
  await page.locator('[data-state=live]').waitFor();
  await server.end();
  await page.locator('[data-state=reconnecting]').waitFor();
  // What is opened meanwhile says so, claims no numbers, and is read once the server is back.
  await page.keyboard.press('g');
  await page.keyboard.press('f');
  await page.getByText('This could not be read').waitFor();
  const counts = await page.locator('.severities .num').allInnerTexts();
  assert.deepEqual(counts, Array(5).fill('–'));
  await server.start();
  await page.locator('[data-state=live]').waitFor({ timeout: 60_000 });
  await page.getByText('This could not be read').waitFor({ state: 'detached' });
});

step('a session that ends comes back to the same page', async ({ page, server }) => {
  const where = page.url();
  page.expected.push(/401/);
  await page.context().clearCookies();
  await page.keyboard.press('g');
  await page.keyboard.press('s');
  await page.waitForURL(/\/sign-in\?return=/);
  await page.getByRole('heading', { name: 'Your session has ended' }).waitFor();
  await page.fill('input[name=user]', 'admin');
  await page.fill('input[name=password]', 'not the password');
  await page.click('button.primary');
  await page.getByRole('alert').filter({ hasText: 'name or the password is wrong' }).waitFor();
  await page.fill('input[name=password]', PASSWORD);
  await page.click('button.primary');
  await page.waitForURL(`${server.url}/settings`);
  assert.notEqual(page.url(), where);
});

step('signing out is signing out', async ({ page, server }) => {
  // Another tab has signed in anew: the session is that one's now.
  page.expected.push(/403/);
  await page.evaluate(async (password) => {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ user: 'admin', password });
    const answer = await fetch('/api/v1/session', { method: 'POST', headers, body });
    if (!answer.ok) throw new Error(await answer.text());
  }, PASSWORD);
  await page.getByRole('button', { name: /Account of admin/ }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.waitForURL(`${server.url}/sign-in`);
  await page.goBack();
  await page.waitForURL(/\/sign-in\?return=/);
  await page.goto(`${server.url}/assets`);
  await page.waitForURL(/\/sign-in\?return=/);
  await page.fill('input[name=user]', 'admin');
  await page.fill('input[name=password]', PASSWORD);
  await page.click('button.primary');
  await page.waitForURL(`${server.url}/assets`);
  await page.locator('tbody tr.line').first().waitFor();
});

/** What the server says of its runs, for whoever reads why a step failed. */
async function runsOf(page) {
  try {
    const text = await page.evaluate(async () => (await fetch('/api/v1/runs')).text());
    const line = (run) =>
      [run.queued_at, run.started_at, run.finished_at, run.kind, run.name, run.state, run.detail].join(' ');
    return JSON.parse(text).items.map(line).join('\n');
  } catch (error) {
    return `its runs could not be asked for: ${error}`;
  }
}

async function main() {
  const capture = makeCapture('download.pcapng', 'program-download', 3);
  const bytes = readFileSync(capture).length;
  assert.ok(bytes > 10_000, `the capture has ${bytes} bytes`);
  const plant = join(scratch, 'plant');
  mkdirSync(plant);
  writeFileSync(join(plant, 'limits.json'), '{"pressure":{"high":6}}');
  writeFileSync(join(plant, 'OB1.awl'), 'ORGANIZATION_BLOCK OB1\nA I0.0\n');
  const server = await startServer(program);
  const browser = await launch();
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    viewport: { width: 1440, height: 900 },
  });
  const page = await openPage(context);
  let pictures = 0;
  try {
    for (const [name, run] of steps) {
      const from = Date.now();
      await run({ page, server, capture, browser, scratch, plant });
      assert.deepEqual(page.faults, [], 'the browser complained');
      console.log(`ok  ${name} (${((Date.now() - from) / 1000).toFixed(1)} s)`);
    }
  } catch (error) {
    for (const open of browser.contexts().flatMap((one) => one.pages())) {
      const picture = join(tmpdir(), `spandrel-browser-failed-${pictures++}.png`);
      await open.screenshot({ path: picture }).catch(() => undefined);
      const text = await open.locator('body').innerText({ timeout: 2_000 }).catch(() => '');
      console.error(`at ${open.url()}; picture ${picture}\n${open.faults?.join('\n')}`);
      console.error(text.replaceAll(/\s+/g, ' ').slice(0, 600));
    }
    console.error(server.lastWords());
    console.error(await runsOf(page));
    throw error;
  } finally {
    await browser.close();
    await server.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
}

await main();
