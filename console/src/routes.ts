// Every page: its pattern, its code, loaded when it is first wanted.
import type { Component } from 'svelte';

/** Gets `params`; pages whose pattern has none leave them alone. */
// `any`: Svelte's type is invariant, so no narrower one fits both kinds.
export type PageComponent = Component<any>;

export interface Page {
  title: string;
  /** Can be seen without a session. */
  open?: boolean;
  load: () => Promise<{ default: PageComponent }>;
}

export const ROUTES: Record<string, Page> = {
  '/': { title: 'Overview', load: () => import('./pages/Overview.svelte') },
  '/map': { title: 'Map', load: () => import('$lib/map/MapPage.svelte') },
  '/assets': { title: 'Assets', load: () => import('./pages/Assets.svelte') },
  '/assets/:id': { title: 'Asset', load: () => import('./pages/Asset.svelte') },
  '/findings': { title: 'Findings', load: () => import('./pages/Findings.svelte') },
  '/findings/:id': { title: 'Finding', load: () => import('./pages/Finding.svelte') },
  '/protection': { title: 'Protection', load: () => import('./pages/Protection.svelte') },
  '/protection/compare': { title: 'Compare', load: () => import('./pages/Compare.svelte') },
  '/protection/snapshots/:id': { title: 'Snapshot', load: () => import('./pages/Snapshot.svelte') },
  '/protection/drills/:id': { title: 'Drill', load: () => import('./pages/Drill.svelte') },
  '/protection/:section': { title: 'Protection', load: () => import('./pages/Protection.svelte') },
  '/captures': { title: 'Captures', load: () => import('./pages/Captures.svelte') },
  '/captures/:id': { title: 'Capture', load: () => import('./pages/Capture.svelte') },
  '/settings': { title: 'Settings', load: () => import('./pages/Settings.svelte') },
  '/settings/:section': { title: 'Settings', load: () => import('./pages/Settings.svelte') },
  '/sign-in': { title: 'Sign in', open: true, load: () => import('./pages/SignIn.svelte') },
  '/welcome': { title: 'Welcome', open: true, load: () => import('./pages/Welcome.svelte') },
};
