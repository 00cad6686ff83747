import { expect, test } from 'vitest';
import openapi from '../../../crates/server/openapi.json';
import { deed, thing } from './deeds';

test.each([
  ['POST /session', 'Signed in'],
  ['PATCH /assets/{id}', 'Changed an asset'],
  ['POST /plans/{id}:run', 'Ran a plan'],
  ['POST /snapshots/{id}:hold', 'Held a snapshot'],
  ['DELETE /tokens/{id}', 'Deleted an API token'],
  ['PATCH /users/{name}', 'Changed a user'],
  ['POST /unheard-of/{id}:shake', 'POST /unheard-of/{id}:shake'],
  ['create zone of the lab', 'Made a zone of the lab'],
  ['make a sign-in link', 'Made a sign-in link'],
  ['POST /agents/{name}:revoke', 'Revoked an agent'],
  ['PUT /copies/{id}', 'Replaced a copy of the vault'],
  ['what nobody has heard of', 'what nobody has heard of'],
])('%s is said as %s', (action, said) => {
  expect(deed(action)).toBe(said);
});

test('every change the API offers has words', () => {
  const raw = Object.entries(openapi.paths).flatMap(([path, methods]) =>
    Object.keys(methods)
      .filter((method) => ['post', 'put', 'patch', 'delete'].includes(method))
      .map((method) => `${method.toUpperCase()} ${path.replace('/api/v1', '')}`)
      .filter((action) => deed(action) === action),
  );
  expect(raw).toEqual([]);
});

const said = (resource: string, after: unknown = null) =>
  thing({ resource: `/api/v1/${resource}`, before: null, after });

test('a thing has the name that its record knows', () => {
  expect(said('plans', { spec: { name: 'Shares' } }).text).toBe('Shares');
  expect(said('captures', { file: 'line 4.pcap' }).text).toBe('line 4.pcap');
  expect(said('assets/ast_02c22b8f967305e6', { name: null }).href).toBe(
    '/assets/ast_02c22b8f967305e6',
  );
});

test('a thing without a name is its kind and a short id, and a link where it has a page', () => {
  const hash = `4d34e22b${'0'.repeat(56)}`;
  expect(said(`snapshots/${hash}:hold`)).toEqual({
    text: 'snapshot 4d34e22b',
    whole: `snapshots/${hash}:hold`,
    href: `/protection/snapshots/${hash}`,
  });
  expect(said('users/anna').text).toBe('anna');
  expect(said('session').text).toBe('–');
  expect(said('plans/pln_01a2195f3d2b44142c7d98936:run').text).toBe('plan d98936');
});

test('a capture goes by its file and a finding by its title', () => {
  const file = 'Line 4.pcapng';
  expect(said('captures/cap_01a22162:import', { file, assets: 3 }).text).toBe(file);
  const title = 'HIST-01 stops PLC-MIX-01';
  expect(said('findings/fnd_01a22162', { title, status: 'resolved' }).text).toBe(title);
});

test('a name of ten thousand characters is cut', () => {
  expect(said('plans', { name: 'x'.repeat(10_000) }).text.length).toBe(81);
});

test('what has no words is shown as the log has it', () => {
  expect(said('unheard-of/1:shake').text).toBe('unheard-of/1:shake');
});
