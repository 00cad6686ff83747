// Traffic over time: what the server knows of the last hour, and the beats that came since.
//
// Invariant: pure. A beat that is in the server's points already is not counted twice.
import type { Beat, TrafficPoint } from './api/types';

export interface Series {
  /** Seconds since 1970, as uPlot wants them. */
  at: number[];
  /** Null where nothing was measured. */
  packets: (number | null)[];
  /** Bits per second. */
  bits: (number | null)[];
}

const HOUR_S = 3_600;

export class Traffic {
  readonly #stepS: number;
  readonly #points = new Map<number, { packets: number; bytes: number }>();
  /** The last moment the server's points hold, for each beat to be compared with. */
  readonly #until: number;

  constructor(points: readonly TrafficPoint[], stepS: number, readAtMs: number) {
    this.#stepS = stepS;
    this.#until = readAtMs;
    for (const point of points) {
      const { packets, bytes } = point;
      this.#points.set(Date.parse(point.at) / 1000, { packets, bytes });
    }
  }

  add(beat: Beat) {
    const at = Date.parse(beat.at);
    if (Number.isNaN(at) || at <= this.#until) return;
    const step = Math.floor(at / 1000 / this.#stepS) * this.#stepS;
    const before = this.#points.get(step) ?? { packets: 0, bytes: 0 };
    this.#points.set(step, {
      packets: before.packets + beat.packets,
      bytes: before.bytes + beat.bytes,
    });
  }

  /** Whole steps of the last hour; the one that still fills is left out, it would look like a fall. */
  series(nowMs: number): Series {
    const now = nowMs / 1000;
    const whole = Math.floor(now / this.#stepS) * this.#stepS;
    const steps = [...this.#points.keys()].filter((at) => at > now - HOUR_S && at < whole);
    steps.sort((a, b) => a - b);
    const series: Series = { at: [], packets: [], bits: [] };
    for (const at of steps) {
      const point = this.#points.get(at);
      if (!point) continue;
      const last = series.at.at(-1);
      if (last !== undefined && at - last > this.#stepS) {
        series.at.push(last + this.#stepS);
        series.packets.push(null);
        series.bits.push(null);
      }
      series.at.push(at);
      series.packets.push(point.packets / this.#stepS);
      series.bits.push((point.bytes * 8) / this.#stepS);
    }
    return series;
  }
}
