// The assets of a finding in one line: a scan can name hundreds, and some that are no assets yet.
import type { FindingRow } from './api/types';

/** `HIST-01, PLC-MIX-01 and 40 more`; addresses where no asset has a name. */
export function concerned(finding: Pick<FindingRow, 'assets' | 'addresses'>, most = 3): string {
  // An asset that is not in the inventory has its id for a name.
  const named = finding.assets.filter((asset) => asset.name !== asset.id);
  const names = named.length > 0 ? named.map((asset) => asset.name) : finding.addresses;
  const all = named.length > 0 ? finding.assets.length : finding.addresses.length;
  const shown = names.slice(0, most);
  const left = all - shown.length;
  return left > 0 ? `${shown.join(', ')} and ${left} more` : shown.join(', ');
}
