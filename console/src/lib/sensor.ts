// Sensors in words: who saw something, and what one could not do; an empty list means that nothing
// was lost.
import type { Schemas, Sensor } from './api/types';
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

/** Where what cannot be saved is, and what of it is gone. */
export function heldOf({ waiting, lost }: Schemas['SensorUnsaved']): string {
  if (waiting === null || waiting === undefined) return 'Its reports wait in its spool.';
  const held = `${counted(waiting, 'report')} ${waiting === 1 ? 'is' : 'are'} held in memory`;
  const gone = `${counted(lost, 'report')} found no room`;
  return lost > 0 ? `${held}, ${gone}.` : `${held}, none is lost.`;
}

/** What is not known of a time that is over. */
export function missingOf({ late, lost }: Schemas['SensorGap']): string {
  if (typeof lost !== 'number') return 'only the outcome is known';
  return `${counted(lost, 'report')} not kept, ${whole(late ?? 0)} saved late`;
}

/** Who saw something: a sensor by its name, or a capture that joined the site. */
export const seenBy = (sensor: string): string =>
  sensor.startsWith('cap_') ? 'an imported capture' : sensor;
