// The bench page: the engine alone with a made-up site, driven by `bench.mjs`.
// Not here: figures. Invariant: what is measured is the engine the console uses.
import '../../../styles/tokens.css';
import '../map.css';
import { graphOf, type MapGraph } from '../model';
import { scene } from '../scene';
import { MapView } from '../view';
import { sample } from './sample';

const query = new URLSearchParams(location.search);
const count = Number(query.get('nodes') ?? 50);
const theme = query.get('theme');
if (theme) document.documentElement.dataset['theme'] = theme;

const host = document.querySelector('#host');
const canvas = document.querySelector('canvas');
if (!(host instanceof HTMLElement) || !canvas) throw new Error('the page has no canvas');

const noted = { hover: '' };
const view = new MapView(canvas, {
  hover: (target) => (noted.hover = JSON.stringify(target)),
  select: () => undefined,
  open: () => undefined,
  camera: () => undefined,
});

async function graph(): Promise<MapGraph> {
  const url = query.get('graph');
  if (url) return graphOf((await (await fetch(url)).json()) as Parameters<typeof graphOf>[0]);
  return sample(count, Number(query.get('links') ?? count * 5));
}

const data = await graph();
await document.fonts.ready;
const began = performance.now();
const made = scene(data.nodes, data.edges);
const sceneMs = performance.now() - began;
view.insets = host.clientWidth < 700 ? { left: 52, top: 8, right: 8, bottom: 8 } : view.insets;
view.resize(host.clientWidth, host.clientHeight);
view.show(made);
view.fitAll(true);

Object.assign(window, {
  bench: { view, scene: made, sceneMs, noted, nodes: data.nodes.length, links: data.edges.length },
});
