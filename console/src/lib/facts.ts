// What is said about an asset by several.
//
// Not here: which of it wins.

/** Facts of which a device has one: services, names and the like it has several of. */
const ONE = new Set(
  ['device_id device_type firmware hardware model', 'order_number os product_code serial vendor_id']
    .join(' ')
    .split(' '),
);

/** Whether these values of one fact contradict each other. */
export function disagree(path: string, values: readonly string[]): boolean {
  if (path !== 'vendor') return ONE.has(path) && new Set(values).size > 1;
  // A maker is written down in many ways: `Siemens`, `SIEMENS AG`.
  const said = values.map((value) => value.trim().toLowerCase());
  const shortest = said.reduce((a, b) => (b.length < a.length ? b : a), said[0] ?? '');
  const goesOn = (value: string) => /^\p{L}/u.test(value.slice(shortest.length));
  return !said.every((value) => value.startsWith(shortest) && !goesOn(value));
}
