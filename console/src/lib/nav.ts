// The main places of the console, in the order of the rail, and the keys that go there.
import type { IconName } from './ui/Icon.svelte';

export interface Place {
  path: string;
  name: string;
  icon: IconName;
  key: string;
}

export const PLACES: readonly Place[] = [
  { path: '/', name: 'Overview', icon: 'overview', key: 'o' },
  { path: '/map', name: 'Map', icon: 'map', key: 'm' },
  { path: '/assets', name: 'Assets', icon: 'assets', key: 'a' },
  { path: '/findings', name: 'Findings', icon: 'findings', key: 'f' },
  { path: '/protection', name: 'Protection', icon: 'protection', key: 'p' },
  { path: '/captures', name: 'Captures', icon: 'captures', key: 'c' },
  { path: '/settings', name: 'Settings', icon: 'settings', key: 's' },
];

/** The place a path belongs to. */
export function placeOf(path: string): Place | undefined {
  return PLACES.find((place) =>
    place.path === '/' ? path === '/' : path === place.path || path.startsWith(`${place.path}/`),
  );
}
