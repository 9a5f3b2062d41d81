/** Reads records from text files; messages name the file and the line of a fault. */
import { parse } from "@std/csv";
import { UserError } from "../base/errors.ts";
import { isJsonObject } from "../base/json.ts";
import { printable, quote } from "../base/quote.ts";

/** An example of conditional generation. */
export interface TextPair {
  readonly condition: string;
  readonly target: string;
}

export interface FileRecord<T> {
  readonly value: T;
  /** The file's name and the line where the record begins, from 1, such as "a.csv:7". */
  readonly where: string;
}

/** Decodes a file of UTF-8, with or without a byte-order mark. */
export function decodeUtf8(bytes: Uint8Array<ArrayBuffer>, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const decodes = (line: Uint8Array<ArrayBuffer>) => {
      try {
        new TextDecoder("utf-8", { fatal: true }).decode(line);
        return true;
      } catch {
        return false;
      }
    };
    let line = 1;
    for (let start = 0;; line++) {
      const end = bytes.indexOf(0x0a, start);
      if (end < 0 || !decodes(bytes.subarray(start, end))) break;
      start = end + 1;
    }
    throw new UserError(`${name}:${line}: bytes that are not UTF-8; save the file as UTF-8`);
  }
}

/** The lines of a file that are not blank. */
export function textLines(bytes: Uint8Array<ArrayBuffer>, name: string): FileRecord<string>[] {
  return decodeUtf8(bytes, name).split(/\r?\n/)
    .map((value, i) => ({ value, where: `${name}:${i + 1}` }))
    .filter(({ value }) => value.trim() !== "");
}

/** An object of a line of JSON. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** Reads a file with a JSON object on each line. */
export function jsonObjects(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
): FileRecord<JsonRecord>[] {
  return textLines(bytes, name).map(({ value: line, where }) => {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      const reason = quote((error as Error).message, 200);
      throw new UserError(`${where}: not JSON: ${reason}`, { cause: error });
    }
    if (isJsonObject(value)) return { value, where };
    throw new UserError(`${where}: ${quote(value, 60)} is not a JSON object`);
  });
}

/** Reads a file with a JSON object on each line, which must have non-blank strings under `keys`. */
export function jsonLines<K extends string>(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
  keys: readonly K[],
): FileRecord<Record<K, string>>[] {
  return jsonObjects(bytes, name).map(({ value, where }) => {
    for (const key of keys) {
      const field = value[key];
      if (typeof field !== "string" || field.trim() === "") {
        throw new UserError(`${where}: a row without "${key}", which must be text`);
      }
    }
    return { value: value as Record<K, string>, where };
  });
}

/** The line where each record of a CSV begins, and whether its last quote stays open. */
function csvLines(text: string): { lines: number[]; open: boolean } {
  const lines: number[] = [];
  let open = false;
  text.split("\n").forEach((line, i) => {
    if (!open && line.replace(/\r$/, "") !== "") lines.push(i + 1);
    // A doubled quote within quotes closes and opens again.
    for (const character of line) if (character === '"') open = !open;
  });
  return { lines, open };
}

/**
 * Reads a CSV whose first record names the columns. It must have `columns`, which may depend on the header,
 * and may have others.
 */
export function csvRecords<C extends string>(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
  columns: readonly C[] | ((header: readonly string[]) => readonly C[]),
): FileRecord<Record<C, string>>[] {
  const text = decodeUtf8(bytes, name);
  const { lines, open } = csvLines(text);
  if (open) {
    throw new UserError(
      `${name}:${lines.at(-1)}: the record that begins here has an unclosed quote`,
    );
  }
  let records: string[][];
  try {
    records = parse(text);
  } catch (error) {
    const { message } = error as Error;
    const line = /line (\d+)/.exec(message)?.[1];
    throw new UserError(
      `${name}${line === undefined ? "" : `:${line}`}: ${printable(message)}; ` +
        "quote a field that contains a quote, and double that quote",
      { cause: error },
    );
  }
  const [header = [], ...rows] = records;
  const wanted = typeof columns === "function" ? columns(header) : columns;
  const missing = wanted.filter((column) => !header.includes(column));
  if (missing.length > 0) {
    throw new UserError(
      `${name}:${lines[0] ?? 1}: no column ${missing.join(" and no column ")}; the columns are ` +
        `${printable(header.join(", ").slice(0, 200)) || "none"}`,
    );
  }
  return rows.map((row, i) => {
    const where = `${name}:${lines[i + 1]}`;
    if (row.length !== header.length) {
      throw new UserError(
        `${where}: ${row.length} fields, where the header has ${header.length} columns`,
      );
    }
    const entries = wanted.map((column) => [column, row[header.indexOf(column)]]);
    return { value: Object.fromEntries(entries) as Record<C, string>, where };
  });
}
