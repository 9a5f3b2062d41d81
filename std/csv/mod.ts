/**
 * `parse` and `stringify` of `jsr:@std/csv` with the options that this project uses, over csv-parse
 * and csv-stringify, for networks that cannot reach JSR.
 *
 * @module
 */
import { CsvError, parse as parseRecords } from "csv-parse/sync";
import { stringify as stringifyRecords } from "csv-stringify/sync";

/** Options of {@linkcode parse}. */
export interface ParseOptions {
  /** 0: every record must have as many fields as the first. By default their number may vary. */
  fieldsPerRecord?: 0;
}

/** How the original names errors of csv-parse in quotes. */
const QUOTING: Readonly<Record<string, string>> = {
  INVALID_OPENING_QUOTE: 'bare " in non-quoted-field',
  CSV_INVALID_CLOSING_QUOTE: 'extraneous or missing " in quoted-field',
  CSV_QUOTE_NOT_CLOSED: 'extraneous or missing " in quoted-field',
};

/**
 * Parses comma-separated values (RFC 4180). Blank lines and a byte-order mark are left out.
 *
 * @returns The records, each a list of fields.
 * @throws {SyntaxError} If a quote is out of place or `fieldsPerRecord` is not met, with the line.
 */
export function parse(input: string, { fieldsPerRecord }: ParseOptions = {}): string[][] {
  const records: string[][] = [];
  try {
    // A carriage return before a line feed, or at the very end, is not part of a field.
    parseRecords(input.replaceAll("\r\n", "\n").replace(/\r$/, ""), {
      bom: true,
      record_delimiter: "\n",
      relax_column_count: true,
      skip_empty_lines: true,
      on_record: (fields: string[], { lines }) => {
        const expected = records[0]?.length ?? fields.length;
        if (fieldsPerRecord === 0 && fields.length !== expected) {
          throw new SyntaxError(
            `Syntax error on line ${lines}: expected ${expected} fields but got ${fields.length}`,
          );
        }
        records.push(fields);
        return null;
      },
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error.lines === "number" ? ` on line ${error.lines}` : "";
    throw new SyntaxError(`Syntax error${line}: ${QUOTING[error.code] ?? error.message}`);
  }
  return records;
}

/**
 * Writes records as comma-separated values, with lines that end in CRLF (RFC 4180). Fields are
 * quoted where necessary. Null and undefined become empty fields.
 */
export function stringify(records: readonly (readonly unknown[])[]): string {
  const texts = records.map((fields) => fields.map((field) => String(field ?? "")));
  return stringifyRecords(texts, {
    record_delimiter: "\r\n",
    quote_record_delimiter: true, // quotes a field with a line feed or a carriage return alone, too
  });
}
