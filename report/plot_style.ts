/** Colors and strokes of charts. */
import { Markup } from "./html.ts";

/**
 * Colors for light and dark backgrounds that people with any color vision can distinguish: those of
 * Okabe and Ito ("Color Universal Design", 2008), changed to a contrast of at least 3:1.
 */
const COLORS = [
  ["#0072b2", "#56b4e9"],
  ["#d55e00", "#f28e4b"],
  ["#00805e", "#2fc89f"],
  ["#b0508a", "#e29cc5"],
  ["#94710b", "#e6b422"],
  ["#57606a", "#a0aab4"],
] as const;

/** Strokes. Lines after the sixth repeat the colors with the next stroke. */
const DASHES = [undefined, "7 4", "2 4"] as const;

export function lineStyle(
  index: number,
): { class: string; "stroke-dasharray": string | undefined } {
  return {
    class: `line c${index % COLORS.length}`,
    "stroke-dasharray": DASHES[Math.floor(index / COLORS.length) % DASHES.length],
  };
}

function rules(ink: string, colors: readonly string[]): string {
  const strokes = colors.map((color, i) => `.plot .c${i} { stroke: ${color}; }`);
  return `.plot { color: ${ink}; }\n${strokes.join("\n")}`;
}

const LIGHT = rules("#24292f", COLORS.map(([light]) => light));
const DARK = rules("#e6edf3", COLORS.map(([, dark]) => dark));

/** The style sheet in every chart, so that it looks the same outside of a page. */
export const PLOT_STYLE: Markup = new Markup(`
.plot { font: 12px system-ui, sans-serif; }
.plot text { fill: currentColor; }
.plot .title { font-size: 14px; font-weight: 600; }
.plot .quiet { opacity: .72; }
.plot .axis { stroke: currentColor; opacity: .5; }
.plot .grid { stroke: currentColor; opacity: .13; }
.plot .minor { opacity: .06; }
.plot .line { fill: none; stroke-width: 1.75; stroke-linejoin: round; stroke-linecap: round; }
.plot .faint { stroke-width: 1; opacity: .3; }
${LIGHT}
@media (prefers-color-scheme: dark) {
${DARK}
}
@media print {
${LIGHT}
}
`);
