// Short messages about what was done or went wrong; errors stay until they are closed.
import { messageOf } from './api/client';

export interface Toast {
  id: number;
  tone: 'ok' | 'bad';
  text: string;
}

const SHOWN_MS = 4_000;
const TOASTS_MAX = 4;

class Toasts {
  list = $state.raw<Toast[]>([]);
  #next = 1;

  done(text: string) {
    const id = this.#add('ok', text);
    setTimeout(() => this.close(id), SHOWN_MS);
  }

  failed(what: string, error: unknown) {
    this.#add('bad', `${what}: ${messageOf(error)}`);
  }

  close(id: number) {
    this.list = this.list.filter((toast) => toast.id !== id);
  }

  #add(tone: Toast['tone'], text: string): number {
    const id = this.#next++;
    this.list = [...this.list, { id, tone, text }].slice(-TOASTS_MAX);
    return id;
  }
}

export const toasts = new Toasts();
