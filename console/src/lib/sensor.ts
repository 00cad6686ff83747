// Sensors in words: who saw something, and what one could not do; an empty list means that nothing
// was lost.
import type { Sensor } from './api/types';
import { bytes, counted, whole } from './format';

const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0);

export function lossOf(sensor: Sensor): string[] {
  const said: string[] = [];
  const health = sensor.health;
  const drops = sensor.drops ?? health?.kernel_drops ?? 0;
  if (drops > 0) said.push(`${counted(drops, 'packet')} dropped`);
  if (sensor.restarts > 0) said.push(`restarted ${sensor.restarts} times`);
  if (!health) return said;
  if (health.segments_lost > 0) {
    const lost = health.bytes_lost > 0 ? ` (${bytes(health.bytes_lost)})` : '';
    said.push(`${counted(health.segments_lost, 'TCP segment')} missing${lost}`);
  }
  const unparsed = sum(health.unparsed);
  if (unparsed > 0) said.push(`${whole(unparsed)} packets not parsed`);
  for (const [limit, count] of Object.entries(health.limits)) {
    said.push(`limit ${limit} hit ${whole(count)} times`);
  }
  if (health.damaged) said.push(health.damaged);
  return said;
}

/** Who saw something: a sensor by its name, or a capture that joined the site. */
export const seenBy = (sensor: string): string =>
  sensor.startsWith('cap_') ? 'an imported capture' : sensor;
