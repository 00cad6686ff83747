// What the map is drawn on: a canvas, or a record of it as SVG.
// Not here: what is drawn. Invariant: the painter knows no other way to draw, so the exported
// picture is the one on the screen.

export interface Surface {
  fillStyle: string;
  strokeStyle: string;
  lineWidth: number;
  globalAlpha: number;
  font: string;
  textAlign: CanvasTextAlign;
  textBaseline: CanvasTextBaseline;
  lineCap: CanvasLineCap;
  lineJoin: CanvasLineJoin;
  beginPath(): void;
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
  bezierCurveTo(a: number, b: number, c: number, d: number, x: number, y: number): void;
  closePath(): void;
  rect(x: number, y: number, w: number, h: number): void;
  roundRect(x: number, y: number, w: number, h: number, r: number): void;
  circle(x: number, y: number, r: number): void;
  fill(): void;
  stroke(): void;
  setLineDash(dash: number[]): void;
  fillText(text: string, x: number, y: number): void;
  textWidth(text: string): number;
  /** An icon's strokes, its middle at a point. */
  icon(path: string, x: number, y: number, size: number): void;
}

const paths = new Map<string, Path2D>();

/** A canvas. A subclass of nothing: the context's own methods, with three of ours beside them. */
export function canvasSurface(context: CanvasRenderingContext2D): Surface {
  const own = context as unknown as Surface & CanvasRenderingContext2D;
  own.circle = (x, y, r) => {
    context.moveTo(x + r, y);
    context.arc(x, y, r, 0, Math.PI * 2);
  };
  own.textWidth = (text) => context.measureText(text).width;
  own.icon = (path, x, y, size) => {
    let shape = paths.get(path);
    if (!shape) paths.set(path, (shape = new Path2D(path)));
    const scale = size / 24;
    const before = context.lineWidth;
    context.save();
    context.translate(x - size / 2, y - size / 2);
    context.scale(scale, scale);
    context.lineWidth = before / scale;
    context.stroke(shape);
    context.restore();
  };
  return own;
}

const number = (value: number): string => String(Math.round(value * 100) / 100);
const escaped = (text: string): string =>
  // Names come from the network; in XML they must stay text, and control characters are not allowed.
  text
    // eslint-disable-next-line no-control-regex
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '')
    .replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** Records what is drawn as SVG. */
export class SvgSurface implements Surface {
  fillStyle = '#000';
  strokeStyle = '#000';
  lineWidth = 1;
  globalAlpha = 1;
  font = '11px sans-serif';
  textAlign: CanvasTextAlign = 'left';
  textBaseline: CanvasTextBaseline = 'alphabetic';
  lineCap: CanvasLineCap = 'butt';
  lineJoin: CanvasLineJoin = 'miter';
  private readonly parts: string[] = [];
  private path: string[] = [];
  private dash: number[] = [];

  constructor(
    private readonly w: number,
    private readonly h: number,
    private readonly measure: (font: string, text: string) => number,
  ) {}

  beginPath(): void {
    this.path = [];
  }
  moveTo(x: number, y: number): void {
    this.path.push(`M${number(x)} ${number(y)}`);
  }
  lineTo(x: number, y: number): void {
    this.path.push(`L${number(x)} ${number(y)}`);
  }
  bezierCurveTo(a: number, b: number, c: number, d: number, x: number, y: number): void {
    this.path.push(`C${[a, b, c, d, x, y].map(number).join(' ')}`);
  }
  closePath(): void {
    this.path.push('Z');
  }
  rect(x: number, y: number, w: number, h: number): void {
    this.path.push(`M${number(x)} ${number(y)}h${number(w)}v${number(h)}h${number(-w)}z`);
  }
  roundRect(x: number, y: number, w: number, h: number, r: number): void {
    const arc = (dx: number, dy: number) =>
      `a${number(r)} ${number(r)} 0 0 1 ${number(dx)} ${number(dy)}`;
    const across = number(w - 2 * r);
    const down = number(h - 2 * r);
    const back = number(2 * r - w);
    const up = number(2 * r - h);
    const top = `M${number(x + r)} ${number(y)}h${across}${arc(r, r)}v${down}${arc(-r, r)}`;
    this.path.push(`${top}h${back}${arc(-r, -r)}v${up}${arc(r, -r)}z`);
  }
  circle(x: number, y: number, r: number): void {
    const arc = (dx: number) => `a${number(r)} ${number(r)} 0 1 1 ${number(dx)} 0`;
    this.path.push(`M${number(x - r)} ${number(y)}${arc(2 * r)}${arc(-2 * r)}z`);
  }
  fill(): void {
    this.parts.push(
      `<path d="${this.path.join('')}" fill="${escaped(this.fillStyle)}"${this.alpha()}/>`,
    );
  }
  stroke(): void {
    this.parts.push(`<path d="${this.path.join('')}"${this.pen(this.lineWidth)}/>`);
  }
  setLineDash(dash: number[]): void {
    this.dash = dash;
  }
  fillText(text: string, x: number, y: number): void {
    const anchor =
      this.textAlign === 'center' ? 'middle' : this.textAlign === 'right' ? 'end' : 'start';
    const down = this.textBaseline === 'middle' ? 0.35 : this.textBaseline === 'top' ? 0.8 : 0;
    const [, weight, size, family] = /^(?:(\d+)\s+)?([\d.]+)px\s+(.*)$/.exec(this.font) ?? [];
    const px = Number(size ?? 11);
    const style = `font-family="${escaped(family ?? 'sans-serif')}" font-size="${px}"`;
    const bold = weight ? ` font-weight="${weight}"` : '';
    const at = `x="${number(x)}" y="${number(y + px * down)}" text-anchor="${anchor}"`;
    const ink = `fill="${escaped(this.fillStyle)}"${this.alpha()}`;
    this.parts.push(`<text ${at} ${style}${bold} ${ink}>${escaped(text)}</text>`);
  }
  textWidth(text: string): number {
    return this.measure(this.font, text);
  }
  icon(path: string, x: number, y: number, size: number): void {
    const scale = size / 24;
    const move = `translate(${number(x - size / 2)} ${number(y - size / 2)}) scale(${number(scale)})`;
    this.parts.push(`<path d="${path}" transform="${move}"${this.pen(this.lineWidth / scale)}/>`);
  }

  private alpha(): string {
    return this.globalAlpha < 1 ? ` opacity="${number(this.globalAlpha)}"` : '';
  }
  private pen(width: number): string {
    const dash =
      this.dash.length > 0 ? ` stroke-dasharray="${this.dash.map(number).join(' ')}"` : '';
    const ends = ` stroke-linecap="${this.lineCap}" stroke-linejoin="${this.lineJoin}"`;
    const ink = ` fill="none" stroke="${escaped(this.strokeStyle)}" stroke-width="${number(width)}"`;
    return `${ink}${dash}${ends}${this.alpha()}`;
  }

  text(title: string): string {
    const size = `width="${number(this.w)}" height="${number(this.h)}"`;
    const box = `viewBox="0 0 ${number(this.w)} ${number(this.h)}"`;
    const head = `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${box} role="img">`;
    return `${head}<title>${escaped(title)}</title>\n${this.parts.join('\n')}\n</svg>\n`;
  }
}
