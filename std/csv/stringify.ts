/**
 * Writes comma-separated values.
 *
 * @module
 */
import { stringify as stringifyRecords } from "csv-stringify/sync";

/** A key of an object or an index into an array. */
export type PropertyAccessor = number | string;

/** Where a column's values are, and what its header says. */
export type ColumnDetails = {
  /** The column's header; by default the last accessor. */
  header?: string;
  /** How to get from an item to the value: one accessor, or one for each level. */
  prop: PropertyAccessor | PropertyAccessor[];
};

/** A column: an accessor, a list of them that leads into the item, or these with a header. */
export type Column = ColumnDetails | PropertyAccessor | PropertyAccessor[];

/** A record to be written: an object or an array. */
export type DataItem = Readonly<Record<string, unknown> | unknown[]>;

/** Options of {@linkcode stringify}. */
export type StringifyOptions = {
  /**
   * Whether the first record holds the columns' headers.
   *
   * @default {true}
   */
  headers?: boolean;
  /**
   * What separates two fields.
   *
   * @default {","}
   */
  separator?: string;
  /**
   * The columns, which items that are objects need.
   *
   * @default {[]}
   */
  columns?: readonly Column[];
  /**
   * Whether the text begins with a byte-order mark, which some spreadsheets need to see UTF-8.
   *
   * @default {false}
   */
  bom?: boolean;
};

function normalize(column: Column): { header: string; path: PropertyAccessor[] } {
  const { header, prop } = typeof column === "object" && !Array.isArray(column)
    ? column
    : { header: undefined, prop: column };
  const path = Array.isArray(prop) ? prop : [prop];
  return { header: header ?? String(path.at(-1)), path };
}

function follow(item: unknown, path: readonly PropertyAccessor[]): unknown {
  let value = item;
  for (const step of path) {
    if (typeof value !== "object" || value === null) break;
    if (Array.isArray(value) && typeof step !== "number") {
      throw new TypeError('Property accessor is not of type "number"');
    }
    value = (value as Record<PropertyKey, unknown>)[step];
  }
  return value;
}

function fieldsOf(item: DataItem): readonly unknown[] {
  if (Array.isArray(item)) return item;
  if (typeof item !== "object") return [item];
  throw new TypeError("No property accessor function was provided for object");
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/**
 * Writes items as comma-separated values, with lines that end in CRLF (RFC 4180). Fields are quoted
 * where they have to be; objects in them become JSON, null and undefined nothing.
 *
 * @example Usage
 * ```ts
 * import { stringify } from "@std/csv/stringify";
 *
 * stringify([{ a: 1, b: 2 }], { columns: ["b", "a"] }); // "b,a\r\n2,1\r\n"
 * ```
 *
 * @throws {TypeError} For objects without `columns`, and for a separator that has quotes or a line end.
 */
export function stringify(data: readonly DataItem[], options: StringifyOptions = {}): string {
  const { headers = true, separator = ",", columns = [], bom = false } = options;
  if (/"|\r\n/.test(separator)) {
    throw new TypeError("Separator cannot include a quotation mark or a line end");
  }
  const wanted = columns.map(normalize);
  const rows = data.map((item) =>
    wanted.length > 0 ? wanted.map(({ path }) => follow(item, path)) : fieldsOf(item)
  );
  const records = rows.map((row) => row.map(textOf));
  if (headers && wanted.length > 0) {
    records.unshift(wanted.map(({ header }) => header));
  }
  const text = stringifyRecords(records, {
    delimiter: separator,
    record_delimiter: "\r\n",
    quote_record_delimiter: true, // a line feed or a carriage return alone, too
  });
  return bom ? `\ufeff${text}` : text;
}
