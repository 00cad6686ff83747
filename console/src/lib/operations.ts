// Which operations change what a plant does: they stand out wherever links are shown.
const GRAVE = new Set([
  'write',
  'program-download',
  'start',
  'stop',
  'reset',
  'configure',
  'firmware-update',
]);

export function grave(operation: string): boolean {
  return GRAVE.has(operation);
}
