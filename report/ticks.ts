/**
 * Marks of axes and their labels. d3-scale was tried: it labels logarithmic axes at 1, 2, 3 instead
 * of 1, 2, 5, which leaves long stretches without a label.
 */

export interface Tick {
  readonly value: number;
  /** Empty for the minor marks of a logarithmic axis. */
  readonly label: string;
}

/** About `count` marks within a range, at multiples of 1, 2 or 5 times a power of ten. */
export function linearTicks(low: number, high: number, count = 5): Tick[] {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough * 0.999) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const largest = Math.max(Math.abs(first), Math.abs(last)) * step;
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => {
    const value = (first + i) * step;
    return { value, label: formatTick(value, { step, largest }) };
  });
}

/**
 * Marks for a logarithmic axis, with minor marks between them: at powers of ten, or at 1, 2 and 5 times
 * these if the range is shorter than three powers of ten. A range shorter than half a power of ten has
 * linear marks.
 */
export function logTicks(low: number, high: number): Tick[] {
  const [first, last] = [Math.log10(low), Math.log10(high)];
  const decades = last - first; // high / low could overflow
  if (decades < 0.5) return linearTicks(low, high, 4);
  const labelled = decades < 3 ? [1, 2, 5] : [1];
  const every = Math.ceil(decades / 8); // powers of ten between labels
  const ticks: Tick[] = [];
  for (let power = Math.floor(first); power <= last; power++) {
    for (let factor = 1; factor < 10; factor++) {
      const value = factor * 10 ** power;
      if (value < low * (1 - 1e-9) || value > high * (1 + 1e-9)) continue;
      const named = labelled.includes(factor) && power % every === 0;
      if (named || every === 1) ticks.push({ value, label: named ? formatTick(value) : "" });
    }
  }
  return ticks;
}

/**
 * A number for an axis: "0.05", "1,200", "20k", "1.5M", "1e-5". The distance between marks determines the
 * digits, the largest number on the axis the unit.
 */
export function formatTick(
  value: number,
  { step = value, largest = value }: { step?: number; largest?: number } = {},
): string {
  const [size, most] = [Math.abs(step), Math.abs(largest)];
  if (value === 0 || Math.abs(value) < size * 1e-6) return "0";
  if (most >= 1e9 || most < 5e-3 && size < 1e-3) {
    return value.toExponential(2).replace(/\.?0*e\+?/, "e");
  }
  const [unit, letter] = most >= 1e6 ? [1e6, "M"] : most >= 1e4 ? [1e3, "k"] : [1, ""];
  const digits = Math.min(20, Math.max(0, Math.ceil(-Math.log10(size / unit) - 1e-9)));
  return (value / unit).toLocaleString("en-US", {
    minimumFractionDigits: letter === "" ? digits : 0,
    maximumFractionDigits: digits,
  }) + letter;
}
