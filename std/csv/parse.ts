/**
 * Reads comma-separated values.
 *
 * @module
 */
import { CsvError, parse as parseRecords } from "csv-parse/sync";

/** Options of {@linkcode parse}. */
export interface ParseOptions {
  /**
   * What separates two fields.
   *
   * @default {","}
   */
  separator?: string;
  /** The character that makes a line a comment when the line begins with it; by default none does. */
  comment?: string;
  /**
   * Whether white space in front of a field is dropped.
   *
   * @default {false}
   */
  trimLeadingSpace?: boolean;
  /**
   * How many fields every record must have; 0 stands for as many as the first. By default, or where
   * it is negative, their number may vary.
   */
  fieldsPerRecord?: number;
  /**
   * Whether the first record is left out. It names the columns unless `columns` does.
   *
   * @default {false}
   */
  skipFirstRow?: boolean;
  /** The names of the columns. */
  columns?: readonly string[];
}

/** A record as an object: its columns, as far as their names are known. */
export type RecordWithColumn<C extends string> = string extends C ? Record<string, string>
  : Record<C, string>;

/** What {@linkcode parse} returns: objects where columns have names, lists of fields otherwise. */
export type ParseResult<ParseOptions, T> = T extends
  ParseOptions & { columns: readonly (infer C extends string)[] } ? RecordWithColumn<C>[]
  : T extends ParseOptions & { skipFirstRow: true } ? Record<string, string>[]
  : T extends ParseOptions & { columns?: undefined; skipFirstRow?: false | undefined } ? string[][]
  : Record<string, string>[] | string[][];

/** A record's fields, and the line on which it ends, counted from 1. */
interface Line {
  fields: string[];
  line: number;
}

function readLines(input: string, options: ParseOptions): Line[] {
  const { separator = ",", comment, trimLeadingSpace = false } = options;
  const reserved = ['"', "\r", "\n"];
  if ([...reserved, comment].includes(separator) || reserved.includes(comment ?? "")) {
    throw new Error("Cannot parse input: invalid delimiter");
  }
  const lines: Line[] = [];
  try {
    // A carriage return before a line feed, or at the very end, is no part of any field.
    parseRecords(input.replaceAll("\r\n", "\n").replace(/\r$/, ""), {
      bom: true,
      delimiter: separator,
      record_delimiter: "\n",
      comment: comment ?? null,
      comment_no_infix: true,
      ltrim: trimLeadingSpace,
      relax_column_count: true,
      skip_empty_lines: true,
      on_record: (fields: string[], { lines: line }) => {
        lines.push({ fields, line });
        return null;
      },
    });
  } catch (error) {
    if (error instanceof CsvError) throw asSyntaxError(error);
    throw error;
  }
  return lines;
}

function asSyntaxError(error: CsvError): SyntaxError {
  const quoting = {
    INVALID_OPENING_QUOTE: 'bare " in non-quoted-field',
    CSV_INVALID_CLOSING_QUOTE: 'extraneous or missing " in quoted-field',
    CSV_QUOTE_NOT_CLOSED: 'extraneous or missing " in quoted-field',
  } as Record<string, string>;
  const line = typeof error.lines === "number" ? ` on line ${error.lines}` : "";
  return new SyntaxError(`Syntax error${line}: ${quoting[error.code] ?? error.message}`);
}

function checkFieldCounts(lines: Line[], fieldsPerRecord = -1): void {
  if (fieldsPerRecord < 0) return;
  const expected = fieldsPerRecord === 0 ? lines[0]?.fields.length : fieldsPerRecord;
  for (const { fields, line } of lines) {
    if (fields.length !== expected) {
      throw new SyntaxError(
        `Syntax error on line ${line}: expected ${expected} fields but got ${fields.length}`,
      );
    }
  }
}

/**
 * Parses comma-separated values. Blank lines are left out; fields may be quoted, and quotes in them
 * doubled.
 *
 * @returns The records, each a list of fields.
 * @throws {SyntaxError} Where a quote is out of place, with the line.
 */
export function parse(input: string): string[][];
/**
 * Parses comma-separated values. Blank lines are left out; fields may be quoted, and quotes in them
 * doubled.
 *
 * @example With a header
 * ```ts
 * import { parse } from "@std/csv/parse";
 *
 * parse("a,b\n1,2\n", { skipFirstRow: true }); // [{ a: "1", b: "2" }]
 * ```
 *
 * @returns The records: objects if `columns` or `skipFirstRow` gives their fields names, and lists of
 * fields otherwise.
 * @throws {SyntaxError} Where a quote is out of place or `fieldsPerRecord` is not met, with the line.
 * @throws {Error} Where a record has more or fewer fields than there are names, with the line.
 */
export function parse<const T extends ParseOptions>(
  input: string,
  options: T,
): ParseResult<ParseOptions, T>;
export function parse(input: string, options: ParseOptions = {}): unknown {
  const lines = readLines(input, options);
  checkFieldCounts(lines, options.fieldsPerRecord);
  const header = options.skipFirstRow ? lines.shift() : undefined;
  if (options.skipFirstRow && header === undefined) {
    throw new TypeError("Cannot parse input: headers must be defined");
  }
  const columns = options.columns ?? header?.fields;
  if (columns === undefined) return lines.map(({ fields }) => fields);
  return lines.map(({ fields, line }) => {
    if (fields.length !== columns.length) {
      throw new Error(
        `Syntax error on line ${line}: The record has ${fields.length} fields, ` +
          `but the header has ${columns.length} fields`,
      );
    }
    return Object.fromEntries(columns.map((column, i) => [column, fields[i]]));
  });
}
