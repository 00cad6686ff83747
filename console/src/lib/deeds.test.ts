import { expect, test } from 'vitest';
import { deed, thing } from './deeds';

test.each([
  ['POST /session', 'Signed in'],
  ['PATCH /assets/{id}', 'Changed an asset'],
  ['POST /plans/{id}:run', 'Ran a plan'],
  ['POST /snapshots/{id}:hold', 'Held a snapshot'],
  ['DELETE /tokens/{id}', 'Deleted an API token'],
  ['PATCH /users/{name}', 'Changed a user'],
  ['POST /unheard-of/{id}:shake', 'POST /unheard-of/{id}:shake'],
  ['create zone of the lab', 'create zone of the lab'],
])('%s is said as %s', (action, said) => {
  expect(deed(action)).toBe(said);
});

test('a thing is named without the root of the API', () => {
  expect(thing('/api/v1/plans/pln_1:run')).toBe('plans/pln_1:run');
});
