// Tiles of assets, badges of findings, heads of arrows: each a shape of its own beside its colour.
// Not here: where they stand. Invariant: a badge is told by its outline alone.

import { iconOf } from '$lib/icons';
import { classInfo, severityRank, type Category, type MapNode, type Severity } from './model';
import type { Surface } from './surface';
import type { Theme } from './theme';

/** Below this a tile is a mere shape. */
export const ICON_PX_MIN = 15;

export function tile(
  to: Surface,
  theme: Theme,
  node: MapNode,
  x: number,
  y: number,
  size: number,
): void {
  const category = classInfo(node.class).category;
  const [fill, line, ink] = colours(theme, category);
  const half = size / 2;
  to.setLineDash(category === 'outside' || category === 'unknown' ? [size / 9, size / 12] : []);
  to.fillStyle = fill;
  to.strokeStyle = line;
  to.lineWidth = Math.max(1, Math.min(1.6, size / 26));
  to.beginPath();
  outline(to, category, x, y, half);
  to.fill();
  to.stroke();
  to.setLineDash([]);
  if (node.criticality !== null && node.criticality >= 4 && size >= ICON_PX_MIN) {
    to.strokeStyle = line;
    to.lineWidth = 1.4;
    to.beginPath();
    outline(to, category, x, y, half + Math.max(2.5, size / 14));
    to.stroke();
  }
  if (size < ICON_PX_MIN) return;
  to.strokeStyle = ink;
  to.lineWidth = Math.max(1, size / 28);
  to.lineCap = 'round';
  to.lineJoin = 'round';
  to.icon(iconOf(node.class), x, y, size * 0.64);
  to.lineCap = 'butt';
}

export function outline(to: Surface, category: Category, x: number, y: number, half: number): void {
  if (category === 'it' || category === 'outside') to.circle(x, y, half);
  else if (category === 'network') polygon(to, x, y, half * 1.06, 6, 0);
  else to.roundRect(x - half, y - half, half * 2, half * 2, half * 0.38);
}

function colours(theme: Theme, category: Category): [string, string, string] {
  if (category === 'control') return [theme.control, theme.control, theme.controlInk];
  if (category === 'operator') return [theme.operator, theme.operatorLine, theme.ink];
  return [theme.tile, theme.tileLine, theme.ink];
}

function polygon(
  to: Surface,
  x: number,
  y: number,
  r: number,
  corners: number,
  turn: number,
): void {
  for (let corner = 0; corner < corners; corner += 1) {
    const angle = turn + (corner / corners) * Math.PI * 2;
    const px = x + r * Math.cos(angle);
    const py = y + r * Math.sin(angle);
    if (corner === 0) to.moveTo(px, py);
    else to.lineTo(px, py);
  }
  to.closePath();
}

/** Critical an octagon, high a triangle, medium a diamond, low a disc, info a dot. */
export function badge(
  to: Surface,
  theme: Theme,
  severity: Severity,
  count: number,
  x: number,
  y: number,
  size: number,
): void {
  const r = size / 2;
  to.beginPath();
  if (severity === 'critical') polygon(to, x, y, r * 1.08, 8, Math.PI / 8);
  else if (severity === 'high') {
    to.moveTo(x, y - r * 1.2);
    to.lineTo(x + r * 1.25, y + r * 0.95);
    to.lineTo(x - r * 1.25, y + r * 0.95);
    to.closePath();
  } else if (severity === 'medium') polygon(to, x, y, r * 1.22, 4, 0);
  else to.circle(x, y, severity === 'low' ? r : r * 0.62);
  to.lineJoin = 'round';
  // A rim in the colour of the ground parts the badge from its tile.
  to.strokeStyle = theme.background;
  to.lineWidth = Math.max(2, size / 6);
  to.stroke();
  to.fillStyle = theme.severity[severity];
  to.fill();
  if (size < (severity === 'high' && count > 9 ? 16 : 12) || severity === 'info') return;
  const text = count > 99 ? '99' : String(count);
  const px = Math.round(size * (text.length > 1 ? (severity === 'high' ? 0.48 : 0.56) : 0.68));
  to.fillStyle = theme.onBadge;
  to.font = `700 ${px}px ${theme.font}`;
  to.textAlign = 'center';
  to.textBaseline = 'middle';
  to.fillText(text, x, y + (severity === 'high' ? r * 0.3 : 0) + px * 0.05);
}

export function badgeSize(tileSize: number, severity: Severity): number {
  const share = severityRank(severity) >= 4 ? 0.46 : 0.42;
  return Math.min(20, Math.max(6, tileSize * share));
}

/** A head half-way along a curve, in the direction of travel. */
export function chevron(to: Surface, x: number, y: number, angle: number, size: number): void {
  const wing = 2.5;
  to.beginPath();
  to.moveTo(x + size * Math.cos(angle + wing), y + size * Math.sin(angle + wing));
  to.lineTo(x + size * 0.35 * Math.cos(angle), y + size * 0.35 * Math.sin(angle));
  to.lineTo(x + size * Math.cos(angle - wing), y + size * Math.sin(angle - wing));
  to.stroke();
}
