/** Writes and parses CSV. */
import { parse, stringify } from "@std/csv";
import { UserError } from "./errors.ts";
import { printable } from "./quote.ts";

/** CSV with a line for each row. Lines end in LF, not in CR LF. */
export function csv(rows: readonly (readonly (string | number | undefined)[])[]): string {
  return stringify(rows.map((row) => [...row])).replaceAll("\r\n", "\n"); // no cell has a line end
}

/**
 * Parses CSV.
 *
 * @param path The file, for messages.
 * @returns The rows, all with as many cells as the first.
 * @throws {UserError} If it is not CSV, or a row has another number of cells.
 */
export function parseCsv(text: string, path: string): string[][] {
  try {
    return parse(text, { fieldsPerRecord: 0 });
  } catch (error) {
    const reason = printable(error instanceof Error ? error.message : String(error));
    throw new UserError(`${path}: ${reason}: correct that line, or move the file away`, {
      cause: error,
    });
  }
}
