/** Figures, one JSON object a line, as `cargo xtask bench` passes them on. */

export interface Figure {
  /** What was measured. */
  readonly figure: string;
  readonly unit: 'ratio' | 'ms' | 'bytes' | 'requests' | 'count';
  readonly value: number;
  /** The most that it may be. */
  readonly budget?: number;
}

/** Prints a figure. */
export function report({ value, ...figure }: Figure) {
  const rounded = Math.round(value * 1000) / 1000;
  const met = figure.budget === undefined ? {} : { met: rounded <= figure.budget };
  console.log(JSON.stringify({ ...figure, value: rounded, ...met }));
}

/** The value below which this part of the values lies: 0.5 is the median. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}
