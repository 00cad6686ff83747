// Texts that fit: shortened in the middle, broken into two lines, measured once.
// Not here: where they stand. Invariant: what is returned is never wider than asked for, unless a
// single character already is.

const WIDTHS_MAX = 20_000;

export class Measure {
  private readonly widths = new Map<string, number>();

  constructor(private readonly measure: (font: string, text: string) => number) {}

  forget(): void {
    this.widths.clear();
  }

  width(font: string, text: string): number {
    const key = `${font}|${text}`;
    let width = this.widths.get(key);
    if (width === undefined) {
      width = this.measure(font, text);
      // Names come from the network: the memory of them is bounded.
      if (this.widths.size >= WIDTHS_MAX) this.widths.clear();
      this.widths.set(key, width);
    }
    return width;
  }

  /** `plc-mix-01 (10.1…0.10)`: the ends of a name tell more than its middle. */
  short(font: string, text: string, most: number): string {
    if (this.width(font, text) <= most) return text;
    const letters = [...text];
    let low = 0;
    let high = letters.length - 1;
    const cut = (keep: number): string => {
      const tail = Math.floor(keep * 0.45);
      return `${letters.slice(0, keep - tail).join('')}…${tail > 0 ? letters.slice(-tail).join('') : ''}`;
    };
    while (low < high) {
      const keep = Math.ceil((low + high) / 2);
      if (this.width(font, cut(keep)) <= most) low = keep;
      else high = keep - 1;
    }
    return low > 0 ? cut(low) : '';
  }

  /** `…20.15`: of an address the end tells. */
  tail(font: string, text: string, most: number): string {
    if (this.width(font, text) <= most) return text;
    const letters = [...text];
    for (let from = 1; from < letters.length; from += 1) {
      const rest = `…${letters.slice(from).join('')}`;
      if (this.width(font, rest) <= most) return rest;
    }
    return '';
  }

  /** One line, or two where a break helps. */
  lines(font: string, text: string, most: number): string[] {
    if (this.width(font, text) <= most) return [text];
    const breaks = [...text.matchAll(/[\s\-_./:]+|(?=\()/g)]
      .map((match) => match.index + match[0].length)
      .filter((at) => at > 0 && at < text.length);
    let best = 0;
    for (const at of breaks) if (this.width(font, text.slice(0, at).trim()) <= most) best = at;
    if (best === 0) return [this.short(font, text, most)];
    return [text.slice(0, best).trim(), this.short(font, text.slice(best).trim(), most)];
  }
}
