/** Writes Markdown. */

/** A table with the layout of `deno fmt`. The first row is the header. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)));
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)));
  return lines.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}
