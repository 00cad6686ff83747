// What a person did, from the words of the audit log: those are the API's, these are for people.
//
// Invariant: pure; what has no words here is shown as the log has it, so nothing is hidden.

const THINGS: Record<string, string> = {
  agents: 'agent',
  assets: 'asset',
  captures: 'capture',
  copies: 'copy of the vault',
  findings: 'finding',
  mutes: 'mute',
  plans: 'plan',
  'recovery-plans': 'recovery plan',
  releases: 'release of a hold',
  runs: 'run',
  sensors: 'sensor',
  session: 'session',
  snapshots: 'snapshot',
  tokens: 'API token',
  users: 'user',
  vault: 'vault',
  zones: 'zone',
};
const VERBS: Record<string, string> = {
  POST: 'Made',
  PUT: 'Replaced',
  PATCH: 'Changed',
  DELETE: 'Deleted',
};
const WHOLE: Record<string, string> = {
  'create zone of the lab': 'Made a zone of the lab',
  'make a sign-in link': 'Made a sign-in link',
  'restore ended': 'Ended a restore on a host',
  'POST /agent/v1/enrol': 'Enrolled an agent',
  'POST /agents': 'Invited an agent',
  'POST /copies/{id}:run': 'Brought a copy of the vault up to date',
  'POST /session': 'Signed in',
  'DELETE /session': 'Signed out',
  'POST /me:password': 'Changed their own password',
  'POST /session:redeem': 'Set a first password',
  'POST /captures': 'Uploaded a capture',
  'POST /vault': 'Made the vault',
  'POST /vault:verify': 'Verified the vault',
  'POST /vault:forget': 'Deleted what the rules let go',
  'PUT /vault/rules': 'Changed the rules of retention',
};
const ACTIONS: Record<string, string> = {
  approve: 'Approved',
  cancel: 'Stopped',
  check: 'Checked',
  confirm: 'Confirmed a step of',
  drill: 'Drilled',
  'end-learning': 'Ended the learning of',
  hold: 'Held',
  import: 'Imported',
  kit: 'Made a restore kit of',
  mute: 'Muted',
  release: 'Asked to release',
  restore: 'Restored',
  revoke: 'Revoked',
  run: 'Ran',
  undelete: 'Took back',
  unmute: 'Unmuted',
  verify: 'Verified',
  withdraw: 'Withdrew',
};

/** `PATCH /assets/{id}` is `Changed an asset`. */
export function deed(action: string): string {
  const known = WHOLE[action];
  if (known) return known;
  const [, method, group, verb] =
    /^([A-Z]+) \/([\w-]+)(?:\/\{\w+\})?(?::([\w-]+))?$/.exec(action) ?? [];
  const what = THINGS[group ?? ''];
  const did = verb ? ACTIONS[verb] : VERBS[method ?? ''];
  if (!what || !did) return action;
  return `${did} ${/^(?:[aeioA]|u(?!ser))/.test(what) ? 'an' : 'a'} ${what}`;
}

/** Groups whose members have pages of their own. */
const PAGES: Record<string, string> = {
  assets: '/assets',
  captures: '/captures',
  findings: '/findings',
  snapshots: '/protection/snapshots',
};

export interface Thing {
  /** `snapshot 4d34e22b`, or the name that the record knows. */
  text: string;
  /** What the log has. */
  whole: string;
  href: string | null;
}

/** What it was done to: by name where the record has one, else by kind and a short id. */
export function thing(record: { resource: string; before: unknown; after: unknown }): Thing {
  const whole = record.resource.replace(/^\/api\/v\d+\//, '');
  const [, group, id] = /^([\w-]+)(?:\/([^/:]+))?(?::[\w-]+)?$/.exec(whole) ?? [];
  const what = THINGS[group ?? ''];
  if (!what) return { text: whole, whole, href: null };
  const name = nameOf(record.after) ?? nameOf(record.before);
  if (!id) return { text: name ?? '–', whole, href: null };
  const page = PAGES[group ?? ''];
  // An id has a prefix and says when it was made; its end tells it apart.
  const short = /^[a-z]{3}_/.test(id) ? id.slice(-6) : id.length > 20 ? id.slice(0, 8) : id;
  const text = name ?? (short === id ? id : `${what} ${short}`);
  return { text, whole, href: page ? `${page}/${id}` : null };
}

const NAME_MAX = 80;

function nameOf(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return null;
  const { name, spec, file, title } = value as Record<string, unknown>;
  const said = [name, file, title].find((text) => typeof text === 'string' && text !== '');
  // What was refused may be as long as somebody liked.
  if (typeof said === 'string') return said.length > NAME_MAX ? `${said.slice(0, NAME_MAX)}…` : said;
  return spec === undefined ? null : nameOf(spec);
}
