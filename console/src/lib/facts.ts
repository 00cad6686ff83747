// What is said about an asset by several.
//
// Not here: which of it wins.

/** Whether these values of one fact contradict each other. */
export function disagree(path: string, values: readonly string[]): boolean {
  if (path !== 'vendor') return new Set(values).size > 1;
  // A maker is written down in many ways: `Siemens`, `SIEMENS AG`.
  const said = values.map((value) => value.trim().toLowerCase());
  const shortest = said.reduce((a, b) => (b.length < a.length ? b : a), said[0] ?? '');
  return !said.every((value) => value.startsWith(shortest) && !/^\p{L}/u.test(value.slice(shortest.length)));
}
