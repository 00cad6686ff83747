// Lines of two texts side by side: what stayed, went and came (longest common subsequence).
//
// Not here: what the lines mean; the server compares by format. Invariant: joining the lines that
// stayed and went gives the first text, those that stayed and came the second.
export interface Line {
  kind: 'same' | 'gone' | 'new';
  text: string;
  before: number | null;
  after: number | null;
}

/** Beyond this many lines of differing middle the texts are told as wholly different. */
const CELLS_MAX = 4_000_000;

export function lineDiff(before: string, after: string): Line[] {
  const a = before.split('\n');
  const b = after.split('\n');
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (
    end < a.length - start &&
    end < b.length - start &&
    a[a.length - 1 - end] === b[b.length - 1 - end]
  )
    end++;
  const lines: Line[] = [];
  const same = (i: number, j: number) =>
    lines.push({ kind: 'same', text: a[i] ?? '', before: i + 1, after: j + 1 });
  for (let i = 0; i < start; i++) same(i, i);
  middle(a.slice(start, a.length - end), b.slice(start, b.length - end), start, lines);
  for (let k = end; k > 0; k--) same(a.length - k, b.length - k);
  return lines;
}

function middle(a: string[], b: string[], offset: number, lines: Line[]) {
  const gone = (i: number) =>
    lines.push({ kind: 'gone', text: a[i] ?? '', before: offset + i + 1, after: null });
  const come = (j: number) =>
    lines.push({ kind: 'new', text: b[j] ?? '', before: null, after: offset + j + 1 });
  if (a.length * b.length > CELLS_MAX) {
    a.forEach((_, i) => gone(i));
    b.forEach((_, j) => come(j));
    return;
  }
  const width = b.length + 1;
  const longest = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      longest[i * width + j] =
        a[i] === b[j]
          ? (longest[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(longest[(i + 1) * width + j] ?? 0, longest[i * width + j + 1] ?? 0);
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      lines.push({
        kind: 'same',
        text: a[i] ?? '',
        before: offset + i + 1,
        after: offset + j + 1,
      });
      i++;
      j++;
    } else if ((longest[(i + 1) * width + j] ?? 0) >= (longest[i * width + j + 1] ?? 0)) gone(i++);
    else come(j++);
  }
  while (i < a.length) gone(i++);
  while (j < b.length) come(j++);
}

/** Only the lines that differ, with some around them; null stands for lines left out. */
export function around(lines: readonly Line[], context = 3): (Line | null)[] {
  const shown: (Line | null)[] = [];
  let last = -1;
  lines.forEach((line, index) => {
    const near = lines.slice(Math.max(0, index - context), index + context + 1);
    if (line.kind === 'same' && near.every((other) => other.kind === 'same')) return;
    if (index !== last + 1) shown.push(null);
    shown.push(line);
    last = index;
  });
  return shown;
}
