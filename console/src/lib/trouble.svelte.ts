// What makes the server unfit to work with, such as a full disk; told above every page.
//
// Not here: warnings, which stand under Settings, About. Invariant: a question that is not answered
// changes nothing, as the live state tells that the server is away.
import type { Schemas } from './api/types';
import { readAgain } from './live/again';
import { api } from './session.svelte';

const AGAIN_MS = 15_000;
/** News of a sensor may be of what cannot be saved. */
const SOON_MS = 2_000;

class Trouble {
  checks = $state.raw<Schemas['HealthCheck'][]>([]);

  follow(): () => void {
    void this.#read();
    const timer = setInterval(() => void this.#read(), AGAIN_MS);
    const stop = readAgain(['sensor'], SOON_MS, () => this.#read());
    return () => {
      clearInterval(timer);
      stop();
    };
  }

  async #read() {
    try {
      const { data } = await api.get('/api/v1/health');
      this.checks = data.checks.filter((check) => check.state === 'failed');
    } catch {
      // Said by the live state.
    }
  }
}

export const trouble = new Trouble();
