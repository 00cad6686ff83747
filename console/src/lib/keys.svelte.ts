// Keyboard: single keys and two-key sequences such as `g o`.
//
// Invariant: nothing happens while a person types into a field or a dialog is open, except Escape
// and the palette's key, which components handle themselves.

export interface Shortcut {
  /** `j`, `/`, `?`, `Enter` or a sequence `g o`. */
  keys: string;
  says: string;
  group: string;
  run: () => void;
}

const SEQUENCE_MS = 1_200;

/** True where letters are text. */
export function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable) return true;
  if (target instanceof HTMLInputElement) {
    return !['checkbox', 'radio', 'button', 'submit', 'range'].includes(target.type);
  }
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

/** Which shortcut a key completes, and what a sequence has begun with. */
export class Sequences {
  #begun = '';
  #at = 0;

  press(key: string, at: number, known: readonly string[]): string | null {
    const begun = at - this.#at < SEQUENCE_MS ? this.#begun : '';
    this.#begun = '';
    const whole = begun ? `${begun} ${key}` : key;
    if (known.includes(whole)) return whole;
    if (known.some((keys) => keys.startsWith(`${key} `))) {
      this.#begun = key;
      this.#at = at;
      return null;
    }
    return begun && known.includes(key) ? key : null;
  }
}

class Keys {
  shortcuts = $state.raw<Shortcut[]>([]);
  #sequences = new Sequences();

  constructor() {
    addEventListener('keydown', (event) => this.#press(event));
  }

  /** Adds shortcuts; the answer takes them away. Later ones win over earlier ones. */
  add(shortcuts: Shortcut[]): () => void {
    this.shortcuts = [...this.shortcuts, ...shortcuts];
    return () => {
      this.shortcuts = this.shortcuts.filter((shortcut) => !shortcuts.includes(shortcut));
    };
  }

  #press(event: KeyboardEvent) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target) || document.querySelector('dialog[open]')) return;
    const inControl =
      event.target instanceof HTMLElement && event.target.closest('button, a, summary, [role=menu]');
    if (inControl && (event.key === 'Enter' || event.key === ' ')) return;
    const known = this.shortcuts.map((shortcut) => shortcut.keys);
    const keys = this.#sequences.press(event.key, event.timeStamp, known);
    const shortcut = this.shortcuts.findLast((shortcut) => shortcut.keys === keys);
    if (!shortcut) return;
    event.preventDefault();
    shortcut.run();
  }
}

export const keys = new Keys();
