// Furnishes a server for pictures and for the look at accessibility: a vault with plans, two
// snapshots of the same thing, a hold, a drill, a capture, a mute, a token, a name that is hostile.
//
// Not here: clicking; the steps of console.mjs do that. Invariant: only the public API is used.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const WAIT_MS = 90_000;
export const HOSTILE = '<img src=x onerror=alert(1)> “Filler” '.padEnd(128, 'w');

/** Speaks the API with the session of a page. */
export async function speaker(page, url) {
  const me = await (await page.request.get(`${url}/api/v1/me`)).json();
  const headers = { 'x-csrf-token': me.csrf };
  const answered = async (answer) => {
    const text = await answer.text();
    if (!answer.ok()) throw new Error(`${answer.url()}: ${answer.status()} ${text}`);
    return text === '' ? null : JSON.parse(text);
  };
  const at = (path) => `${url}/api/v1/${path}`;
  // A vault's key is made to be slow to guess, and the machine may be busy.
  const timeout = WAIT_MS;
  return {
    get: async (path) => answered(await page.request.get(at(path), { timeout })),
    post: async (path, data, more = {}) =>
      answered(await page.request.post(at(path), { data, timeout, headers: { ...headers, ...more } })),
    patch: async (path, data, etag) =>
      answered(
        await page.request.patch(at(path), {
          data,
          timeout,
          headers: { ...headers, 'if-match': `"${etag}"` },
        }),
      ),
    upload: async (name, bytes) =>
      answered(
        await page.request.post(`${at('captures')}?file=${encodeURIComponent(name)}`, {
          data: bytes,
          timeout,
          headers: { ...headers, 'content-type': 'application/octet-stream' },
        }),
      ),
  };
}

/** Asks again until the answer is what is waited for. */
async function until(page, ask, is) {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const answer = await ask();
    if (is(answer)) return answer;
    if (Date.now() > end) throw new Error(`not in time: ${ask}`);
    await page.waitForTimeout(300);
  }
}

const ended = (run) => !['queued', 'running'].includes(run.state);

async function protect(page, api, plant) {
  const { vault } = await api.get('protection');
  if (!vault) await api.post('vault', { with_plans: true });
  const plan = {
    name: 'Project share',
    subject: 'Project share of the engineering stations in hall 4',
    sources: [`files:${plant}`],
    every_minutes: 1_440,
    rpo_minutes: 2_880,
  };
  const { id } = await api.post('plans', plan);
  const settled = () =>
    until(page, () => api.get('runs?limit=50'), (runs) => runs.items.every(ended));
  await settled();
  writeFileSync(join(plant, 'limits.json'), '{"pressure":{"high":9}}');
  await api.post(`plans/${id}:run`, { target: null });
  await settled();
  const none = { ...plan, name: 'Nothing fits', filter: 'vendor eq "nobody"', sources: ['s7:{ip}'] };
  delete none.subject;
  await api.post('plans', none);
  const [newest] = (await api.get('snapshots')).items;
  await api.post(`snapshots/${newest.id}:hold`, { reason: 'dispute 7 with the maker of press 4' });
  await settled();
  const { suggestions } = await api.get('recovery-plans');
  if (suggestions[0]) {
    const made = await api.post('recovery-plans', suggestions[0]);
    await api.post(`recovery-plans/${made.id}:drill`, { attended: false });
    await settled();
  }
}

/** `program` makes the capture; what is there already stays as it is. */
export async function furnish(page, url, program) {
  const api = await speaker(page, url);
  const assets = await api.get('assets?limit=5&sort=-packets');
  const plain = assets.items.at(-1);
  const { generation } = await api.get(`assets/${plain.id}`);
  await api.patch(`assets/${plain.id}`, { name: HOSTILE, labels: { line: '2' } }, generation);
  const scratch = mkdtempSync(join(tmpdir(), 'spandrel-stage-'));
  const plant = join(scratch, 'plant');
  mkdirSync(plant);
  writeFileSync(join(plant, 'limits.json'), '{"pressure":{"high":6}}');
  writeFileSync(join(plant, 'OB1.awl'), 'ORGANIZATION_BLOCK OB1\nA I0.0\n');
  await protect(page, api, plant);
  const file = join(scratch, 'download.pcapng');
  const args = ['lab', '--out', file, '--minutes', '2', '--quiet', '20'];
  execFileSync(program, [...args, '--scenario', 'program-download'], { stdio: 'ignore' });
  await api.upload('Line 4, after the stop of Tuesday.pcapng', readFileSync(file));
  await until(page, () => api.get('captures'), ({ items }) => items.every((c) => c.state === 'done'));
  await api.post('tokens', { name: 'Nightly export', role: 'viewer', days: 30 });
  const [finding] = (await api.get('findings?limit=1')).items;
  if (finding) await api.post(`findings/${finding.id}:mute`, { reason: 'engineering week' });
  return api;
}

/** Lets a capture of all scenarios join the site, so that there is a finding of every kind. */
export async function play(page, api, program) {
  const file = join(mkdtempSync(join(tmpdir(), 'spandrel-play-')), 'everything.pcapng');
  const args = ['lab', '--out', file, '--minutes', '10', '--quiet', '60', '--scenario', 'all'];
  execFileSync(program, args, { stdio: 'ignore' });
  const { id } = await api.upload('Everything that happens in the lab.pcapng', readFileSync(file));
  await until(page, () => api.get(`captures/${id}`), ({ state }) => state === 'done');
  await api.post(`captures/${id}:import`);
}
