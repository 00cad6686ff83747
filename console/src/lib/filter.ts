// Filters as text, in the grammar of the API (docs/api.md, Lists).
//
// Not here: checking them; the server does and says where a filter is wrong. Invariant: whatever a
// value holds, it stays one value: quotes are escaped, control characters dropped.

/** A text in double quotes. */
export function quote(text: string): string {
  const clean = [...text].filter((c) => c >= ' ' && c !== '\x7f').join('');
  return `"${clean.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** Fields whose values stand without quotes. */
const BARE = new Set(['purdue', 'criticality', 'vlan', 'packets', 'findings', 'severity', 'port']);

function value(field: string, text: string): string {
  return BARE.has(field) && /^[a-z0-9.]+$/.test(text) ? text : quote(text);
}

/** The rows whose field has one of the values; null stands for rows that have none. */
export function oneOf(field: string, values: readonly (string | null)[]): string {
  const named = values.filter((v) => v !== null).map((v) => value(field, v));
  const parts: string[] = [];
  if (named.length === 1) parts.push(`${field} eq ${named[0]}`);
  else if (named.length > 1) parts.push(`${field} in (${named.join(', ')})`);
  if (values.includes(null)) parts.push(`${field} eq null`);
  return parts.length > 1 ? `(${parts.join(' or ')})` : (parts[0] ?? '');
}

export function contains(field: string, text: string): string {
  return `${field} contains ${quote(text)}`;
}

/** All that hold at once; empty ones say nothing. */
export function all(...parts: (string | null | undefined)[]): string {
  const said = parts.map((part) => part?.trim() ?? '').filter((part) => part !== '');
  if (said.length < 2) return said[0] ?? '';
  return said.map((part) => (/\bor\b/.test(part) && !whole(part) ? `(${part})` : part)).join(' and ');
}

/** True when one pair of parentheses holds everything. */
function whole(text: string): boolean {
  if (!text.startsWith('(') || !text.endsWith(')')) return false;
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const c = text[i];
    if (quoted) {
      if (c === '\\') i += 1;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === '(') depth += 1;
    else if (c === ')') {
      depth -= 1;
      if (depth === 0 && i < text.length - 1) return false;
    }
  }
  return depth === 0;
}

const OPERATOR =
  /(^|[\s(])[a-z_]+(\.[a-z0-9._/-]+)?\s+((eq|ne|lt|le|gt|ge|contains)\s+["\w+-]|in\s*\()/;

/** True for text that is meant as a filter and not as words to look for. */
export function isExpression(text: string): boolean {
  return OPERATOR.test(text.trim()) || /^\s*\(/.test(text);
}

/** How other programs write what is written here otherwise. */
const FOREIGN: Record<string, string> = {
  '=': 'eq',
  '==': 'eq',
  ':': 'eq',
  is: 'eq',
  '!=': 'ne',
  '<>': 'ne',
  '<': 'lt',
  '<=': 'le',
  '>': 'gt',
  '>=': 'ge',
  '~': 'contains',
  like: 'contains',
};
const NEARLY =
  /^([a-z_]+)(\.[a-z0-9._/-]+)?(?:\s*(==|!=|<>|<=|>=|[=<>~:])\s*|\s+(eq|ne|lt|le|gt|ge|contains|like|is)\s+)(.+)$/i;

/** The filter that was meant by a text that is none, as `class = plc`; `null`: words it is. */
export function meant(text: string, fields: readonly string[]): string | null {
  const [, name, key = '', sign, word, rest] = NEARLY.exec(text.trim()) ?? [];
  const field = name?.toLowerCase();
  // A label is one by its key: `labels.KEY`.
  if (!field || !rest || !fields.some((known) => known === field || known.startsWith(`${field}.`)))
    return null;
  if ((key === '') === (field === 'labels')) return null;
  const said = (sign ?? word ?? '').toLowerCase();
  const bare = rest.replace(/^(["'])(.*)\1$/, '$2');
  return `${field}${key} ${FOREIGN[said] ?? said} ${value(field, bare)}`;
}

/** What a person typed into the box: a filter, or words each row must contain. */
export function typed(text: string): string {
  const trimmed = text.trim();
  if (trimmed === '') return '';
  if (isExpression(trimmed)) return trimmed;
  return all(...trimmed.split(/\s+/).map((word) => contains('text', word)));
}

/** Facets in the address: `class=plc&class=hmi`, `vendor=` for rows that have none. */
export function facetsOf(query: URLSearchParams, fields: readonly string[]) {
  const chosen: Record<string, (string | null)[]> = {};
  for (const field of fields) {
    const values = query.getAll(field).map((v) => (v === '' ? null : v));
    if (values.length > 0) chosen[field] = values;
  }
  return chosen;
}
