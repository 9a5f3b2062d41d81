/** Writes CSV. */
import { stringify } from "@std/csv";

/** CSV with a line for each row. Lines end in LF, not in CR LF. */
export function csv(rows: readonly (readonly (string | number | undefined)[])[]): string {
  return stringify(rows.map((row) => [...row])).replaceAll("\r\n", "\n");
}
