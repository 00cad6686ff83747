// Every view of the console worth looking at: pages, dialogs, menus, and pages that are empty,
// waiting or failed. Used for pictures and by the look at accessibility.
//
// Invariant: what makes a view empty, late or failed is an answer of the API changed on its way to
// the page; the page itself is the one people get.

const EMPTY = '{"items":[],"next_cursor":null,"suggestions":[],"readings":[]}';

/** Answers to what a path fits, once the page asks for it. */
const answers = (pattern, answer) => async (page) => {
  await page.route(pattern, answer);
};
const empty = answers(/\/api\/v1\/(assets|findings|captures|plans|snapshots|runs|recovery-plans|zones|mutes|tokens|sensors)(\?|$)/, (route) =>
  route.request().method() === 'GET'
    ? route.fulfill({ contentType: 'application/json', body: EMPTY })
    : route.continue(),
);
const broken = answers(/\/api\/v1\/(?!me$|watch)/, (route) =>
  route.fulfill({
    status: 503,
    contentType: 'application/problem+json',
    body: JSON.stringify({
      type: 'about:blank',
      title: 'The database does not answer',
      status: 503,
      detail: 'no connection within 5 s',
      code: 'unavailable',
      trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
    }),
  }),
);
const late = answers(/\/api\/v1\/(?!me$|watch)/, () => undefined);

/** The same answer with members of it changed. */
const changed = (pattern, change) =>
  answers(pattern, async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: change(await answer.json()) });
  });
const unprotected = changed(/\/api\/v1\/protection(\?|$)/, (site) => ({
  ...site,
  vault: null,
  targets: 0,
  proven: 0,
}));
const learns = changed(/\/api\/v1\/sensors(\?|$)/, (list) => ({
  ...list,
  items: list.items.map((sensor) => ({
    ...sensor,
    learning: true,
    learning_until: new Date(Date.now() + 9 * 86_400_000).toISOString(),
  })),
}));
const silent = changed(/\/api\/v1\/sensors(\?|$)/, (list) => ({
  ...list,
  items: list.items.map((sensor) => ({
    ...sensor,
    state: 'failed',
    detail: 'no right to capture on eth1: run as root or give the program CAP_NET_RAW',
    packets_per_s: 0,
    bytes_per_s: 0,
    restarts: 14,
  })),
}));

const FULL = "no space left on the server's disk";
const SINCE = new Date(Date.now() - 95_000).toISOString();
/** The server's disk is full, and was last night. */
const full = async (page) => {
  await changed(/\/api\/v1\/health(\?|$)/, (health) => ({
    state: 'failed',
    checks: [
      {
        name: 'database',
        state: 'failed',
        detail: `nothing is saved: ${FULL}; see to the disk of /var/lib/spandrel`,
        since: SINCE,
      },
      ...health.checks.slice(1),
    ],
  }))(page);
  await changed(/\/api\/v1\/(sensors|overview)(\?|$)/, (answer) => {
    const told = (sensor) => ({
      ...sensor,
      unsaved: { since: SINCE, reason: FULL, waiting: 1_288, lost: 0 },
      gaps: [
        {
          from: new Date(Date.now() - 9 * 3_600_000).toISOString(),
          until: new Date(Date.now() - 8 * 3_600_000).toISOString(),
          reason: FULL,
          late: 20_117,
          lost: 412,
        },
      ],
    });
    if (answer.items) return { ...answer, items: answer.items.map(told) };
    return { ...answer, sensors: answer.sensors.map(told) };
  })(page);
};

const button = (name, exact = true) => (page) =>
  page.getByRole('button', { name, exact }).first().click();
const first = (selector) => (page) => page.locator(selector).first().click();

/**
 * Scenes: `name`, `path`, and if wanted `before` (the page is opened) and `act` (it is there).
 * `settles: false` says that it stays as it is while it loads.
 */
export async function scenes(api) {
  const [asset] = (await api.get('assets?limit=1&sort=-packets')).items;
  const hostile = (await api.get(`assets?limit=1&filter=${encodeURIComponent('name contains "Filler"')}`)).items[0];
  const findings = (await api.get('findings?limit=200')).items;
  const detectors = [...new Map(findings.map((finding) => [finding.detector, finding])).values()];
  const parsed = (await api.get('captures')).items.filter((other) => other.state === 'done');
  const capture = parsed.find((other) => other.findings > 0) ?? parsed[0];
  const taken = (await api.get('snapshots')).items;
  const pair = taken.flatMap((after, at) => {
    const before = taken.slice(at + 1).find((other) => other.asset === after.asset);
    return before ? [`/protection/compare?before=${before.id}&after=${after.id}`] : [];
  });
  const drills = (await api.get('runs?kind=drill')).items;
  const all = [
    { name: 'overview', path: '/' },
    { name: 'map', path: '/map' },
    { name: 'assets', path: '/assets' },
    { name: 'findings', path: '/findings?view=all' },
    { name: 'captures', path: '/captures' },
    { name: 'protection', path: '/protection' },
  ];
  const add = (name, path, more = {}) => all.push({ name, path, ...more });
  if (asset) {
    add('asset', `/assets/${asset.id}`);
    add('asset-edit', `/assets/${asset.id}`, { act: button('Edit') });
    add('map-asset', `/map?asset=${asset.id}`);
  }
  if (hostile) add('asset-hostile', `/assets/${hostile.id}`);
  add('map-list', '/map', { act: button('List') });
  add('map-filters', '/map', { act: button('Filters') });
  add('assets-columns', '/assets', { act: button('Columns') });
  add('assets-none', '/assets?q=vendor+eq+%22nobody%22');
  for (const finding of detectors) add(`finding-${finding.detector}`, `/findings/${finding.id}`);
  if (detectors[0]) {
    add('finding-mute', `/findings/${detectors[0].id}`, { act: button('Mute') });
    add('finding-give', `/findings/${detectors[0].id}`, { act: button('Give to') });
  }
  add('findings-chosen', '/findings?view=all', {
    act: async (page) => {
      for (const row of [1, 2]) await page.locator('tbody input[type=checkbox]').nth(row).check();
      await page.getByRole('button', { name: 'Give to' }).click();
    },
  });
  for (const section of ['plans', 'snapshots', 'recovery', 'runs', 'keeping'])
    add(`protection-${section}`, `/protection/${section}`);
  add('plan-new', '/protection/plans', { act: button('New plan') });
  add('plan-edit', '/protection/plans', { act: button(/^Edit /, false) });
  add('vault-none', '/protection', { before: unprotected });
  add('recovery-new', '/protection/recovery', { act: button('New recovery plan') });
  add('keeping-rules', '/protection/keeping', { act: button('Change') });
  add('copy-new', '/protection/keeping', { act: button('New copy') });
  if (taken[0]) {
    const path = `/protection/snapshots/${taken[0].id}`;
    add('snapshot', path);
    add('snapshot-restore', path, { act: button('Restore') });
    add('snapshot-hold', path, { act: button('Hold') });
  }
  if (pair[0]) add('compare', pair[0]);
  for (const drill of drills.slice(0, 1)) add('drill', `/protection/drills/${drill.id}`);
  if (capture) {
    add('capture', `/captures/${capture.id}`);
    if (capture.findings > 0)
      add('capture-finding', `/captures/${capture.id}`, { act: first('main li button') });
  }
  for (const section of ['sensors', 'agents', 'zones', 'mutes', 'users', 'tokens', 'audit', 'about'])
    add(`settings-${section}`, `/settings/${section}`);
  add('sensors-learn', '/settings/sensors', { before: learns });
  add('sensors-end', '/settings/sensors', { before: learns, act: button('End learning now') });
  add('sensors-failed', '/settings/sensors', { before: silent });
  add('overview-failed', '/', { before: silent });
  add('overview-full', '/', { before: full });
  add('sensors-full', '/settings/sensors', { before: full });
  add('zone-new', '/settings/zones', { act: button('New zone') });
  add('user-new', '/settings/users', { act: button('New user') });
  add('user-edit', '/settings/users', { act: button(/^Edit /, false) });
  add('token-new', '/settings/tokens', { act: button('New token') });
  add('audit-details', '/settings/audit', { act: button(/Details of number/, false) });
  add('palette', '/', { act: (page) => page.keyboard.press('Control+k') });
  add('palette-found', '/', {
    act: async (page) => {
      await page.keyboard.press('Control+k');
      await page.getByRole('combobox').fill('plc');
      await page.getByRole('option').filter({ hasText: /plc/i }).first().waitFor();
    },
  });
  add('keys', '/', { act: (page) => page.keyboard.press('?') });
  add('menu-theme', '/', { act: button('Theme') });
  add('menu-account', '/', { act: button(/Account of/, false) });
  add('password', '/', {
    act: async (page) => {
      await button(/Account of/, false)(page);
      await page.getByRole('menuitem', { name: 'Change password' }).click();
      await page.getByRole('dialog', { name: 'Change your password' }).waitFor();
    },
  });
  add('missing', '/nowhere');
  add('missing-asset', '/assets/ast_0000000000000000');
  for (const [name, path] of [
    ['overview', '/'],
    ['map', '/map'],
    ['assets', '/assets'],
    ['findings', '/findings'],
    ['captures', '/captures'],
    ['plans', '/protection/plans'],
    ['snapshots', '/protection/snapshots'],
    ['recovery', '/protection/recovery'],
    ['runs', '/protection/runs'],
    ['zones', '/settings/zones'],
    ['mutes', '/settings/mutes'],
    ['tokens', '/settings/tokens'],
  ])
    add(`empty-${name}`, path, { before: empty });
  for (const [name, path] of [['overview', '/'], ['map', '/map'], ['assets', '/assets'], ['protection', '/protection']]) {
    add(`broken-${name}`, path, { before: broken });
    add(`late-${name}`, path, { before: late, settles: false });
  }
  return all;
}

/** Opens a scene and waits until it stands still. */
export async function show(page, url, scene) {
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await scene.before?.(page);
  await page.goto(url + scene.path);
  await page.waitForFunction(() => document.fonts.status === 'loaded');
  if (scene.settles === false) await page.locator('.loading, [role=status]').first().waitFor();
  else {
    await page.waitForFunction(
      () => !document.querySelector('.loading') && document.querySelector('h1, form, main *'),
    );
    if (!scene.open && !scene.before) await page.waitForSelector('[data-state=live]');
  }
  if (scene.act) {
    await scene.act(page);
    await page.waitForFunction(() => !document.querySelector('.loading'));
  }
  await frame(page);
}

/** A chart or map draws in the frame after its data has come. */
export const frame = (page) =>
  page.evaluate(
    () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
  );
