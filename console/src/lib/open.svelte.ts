// How many findings are open, for the rail and the page's title, and why there may be none yet.
import type { Overview } from './api/types';
import { readAgain } from './live/again';
import { api } from './session.svelte';

const AGAIN_MS = 5_000;

class OpenFindings {
  count = $state(0);
  urgent = $state(false);
  /** Sensors that learn what is normal. */
  learning = $state.raw<string[]>([]);
  /** Why nothing unusual is reported yet, if a sensor learns. */
  readonly early = $derived(
    this.learning.length === 0
      ? null
      : `${this.learning.join(', ')} ${this.learning.length === 1 ? 'learns' : 'learn'} what is
        normal. Malware, forbidden traffic and broken protocols are reported already; the unusual
        once it is known what is usual.`,
  );

  follow(): () => void {
    void this.read();
    return readAgain(['finding', 'sensor'], AGAIN_MS, () => this.read());
  }

  /** From an overview somebody has read anyway. */
  take(site: Overview) {
    const urgent = site.findings_by_severity.filter(
      ({ value }) => value === 'critical' || value === 'high',
    );
    this.count = site.findings_open;
    this.urgent = urgent.some(({ count }) => count > 0);
    this.learning = site.sensors.flatMap(({ name, learning }) => (learning ? [name] : []));
  }

  /** At once, after a change of one's own. */
  async read() {
    try {
      this.take((await api.get('/api/v1/overview')).data);
    } catch {
      // The number stays; the live state tells that the server is away.
    }
  }
}

export const openFindings = new OpenFindings();
