// How many findings are open, for the rail and the page's title.
import { readAgain } from './live/again';
import { api } from './session.svelte';

const AGAIN_MS = 5_000;

class OpenFindings {
  count = $state(0);
  urgent = $state(false);

  follow(): () => void {
    void this.#read();
    return readAgain(['finding'], AGAIN_MS, () => this.#read());
  }

  /** From an overview somebody has read anyway. */
  set(count: number, urgent: boolean) {
    this.count = count;
    this.urgent = urgent;
  }

  async #read() {
    try {
      const { data } = await api.get('/api/v1/overview');
      const worst = data.findings_by_severity.filter((c) => c.value === 'critical' || c.value === 'high');
      this.set(
        data.findings_open,
        worst.some((c) => c.count > 0),
      );
    } catch {
      // The number stays; the live state tells that the server is away.
    }
  }
}

export const openFindings = new OpenFindings();
