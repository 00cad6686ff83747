// Who did what a finding tells, and to whom, in the few words its head has room for.
import type { AssetName, FindingDetail } from './api/types';

type Told = Pick<FindingDetail, 'assets' | 'initiator' | 'strangers'>;

export interface Party {
  title: 'Who' | 'To whom' | 'Concerns';
  assets: AssetName[];
  addresses: string[];
  /** How many are not shown. */
  more: number;
}

const SHOWN = 3;

export const once = <T, K>(list: readonly T[], key: (one: T) => K): T[] => [
  ...new Map(list.map((one) => [key(one), one])).values(),
];

/** Assets that are known: what was asked for and never answered is none. */
export function knownAssets(assets: readonly AssetName[]): AssetName[] {
  return once(assets, (asset) => asset.id).filter((asset) => asset.name !== asset.id);
}

function party(title: Party['title'], assets: AssetName[], addresses: string[]): Party {
  const shown = assets.slice(0, SHOWN);
  const left = addresses.slice(0, SHOWN - shown.length);
  const more = assets.length + addresses.length - shown.length - left.length;
  return { title, assets: shown, addresses: left, more };
}

/** Assets before addresses that are nobody's, as those a scan tried. */
export function partiesOf({ assets, initiator, strangers }: Told): Party[] {
  const known = knownAssets(assets);
  const its = known.filter((asset) => asset.id === initiator?.asset?.id);
  const others = known.filter((asset) => asset.id !== initiator?.asset?.id);
  const parties: Party[] = [];
  if (initiator) parties.push(party('Who', its, its.length > 0 ? [] : [initiator.address]));
  // Where nobody is known to have begun it, the first named may be the victim.
  const title = initiator ? 'To whom' : 'Concerns';
  parties.push(party(title, others, once(strangers, String)));
  return parties.filter((one) => one.assets.length + one.addresses.length > 0);
}
