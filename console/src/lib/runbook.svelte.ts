// Which steps of a finding's runbook are done, kept in this browser only.
//
// Not here: the steps. Invariant: a step is known by its words, so that a runbook that changed does
// not show the wrong step as done.
const KEY = 'spandrel.steps.';
const FINDINGS_MAX = 200;

export function stepsOf(runbook: string): string[] {
  const lines = runbook
    .split('\n')
    .map((line) => line.replace(/^\s*(?:[-*•]|\d+[.)])\s+/, '').trim());
  return lines.filter((line) => line !== '');
}

export class Steps {
  done = $state.raw<readonly string[]>([]);
  readonly #key: string;

  constructor(finding: string) {
    this.#key = KEY + finding;
    try {
      const stored: unknown = JSON.parse(localStorage.getItem(this.#key) ?? '[]');
      if (Array.isArray(stored)) this.done = stored.filter((step) => typeof step === 'string');
    } catch {
      // No storage, or not ours: nothing is done so far.
    }
  }

  toggle(step: string) {
    this.done = this.done.includes(step)
      ? this.done.filter((other) => other !== step)
      : [...this.done, step];
    try {
      const keys = Object.keys(localStorage).filter((key) => key.startsWith(KEY));
      if (keys.length > FINDINGS_MAX && keys[0]) localStorage.removeItem(keys[0]);
      if (this.done.length > 0) localStorage.setItem(this.#key, JSON.stringify(this.done));
      else localStorage.removeItem(this.#key);
    } catch {
      // It holds for this page only.
    }
  }
}
