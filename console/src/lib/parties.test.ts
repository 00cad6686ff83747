import { expect, test } from 'vitest';
import { partiesOf } from './parties';

const asset = (id: string) => ({ id, name: `name of ${id}` });
const by = (address: string, id: string | null) => ({
  address,
  asset: id === null ? null : asset(id),
  others: [],
});
const said = (told: Parameters<typeof partiesOf>[0]) =>
  partiesOf(told).map(({ title, assets, addresses, more }) =>
    [title, ...assets.map(({ id }) => id), ...addresses, more].join(' '),
  );

test('who did it and to whom, where somebody did it', () => {
  const initiator = by('10.0.0.1', 'a');
  expect(said({ assets: [asset('a'), asset('b')], initiator, strangers: [] })).toEqual([
    'Who a 0',
    'To whom b 0',
  ]);
});

test('a finding that nobody is known to have begun concerns its assets', () => {
  const told = { assets: [asset('a'), asset('b')], initiator: null, strangers: [] };
  expect(said(told)).toEqual(['Concerns a b 0']);
});

test('what a scan tried stands beside the assets it tried', () => {
  const strangers = ['10.0.0.7', '10.0.0.8', '10.0.0.9', '10.0.0.9'];
  const initiator = by('192.0.2.1', null);
  const told = { assets: [asset('b')], initiator, strangers };
  expect(said(told)).toEqual(['Who 192.0.2.1 0', 'To whom b 10.0.0.7 10.0.0.8 1']);
  // An asset that never answered has no name, and no page to go to.
  const silent = [{ id: 'ast_1', name: 'ast_1' }];
  expect(said({ assets: silent, initiator, strangers: [] })).toEqual(['Who 192.0.2.1 0']);
});
