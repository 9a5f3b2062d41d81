/** CSV as the programs write it. */
import { stringify } from "@std/csv";

/** Rows as lines that end in a line feed alone. */
export function csv(rows: readonly (readonly (string | number | undefined)[])[]): string {
  return stringify(rows.map((row) => [...row])).replaceAll("\r\n", "\n");
}
