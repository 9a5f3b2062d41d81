/** Texts of one's own, with labels or without: a .txt, .csv or .jsonl file. */
import { usageError, UserError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import {
  csvRecords,
  decodeUtf8,
  type FileRecord,
  jsonObjects,
  type JsonRecord,
  textLines,
} from "./text_files.ts";

/** A text, and its label if it has one. */
export interface OwnText {
  /** The text, without white space at its ends. */
  readonly text: string;
  /** The name of its class. */
  readonly label?: string | undefined;
}

/** Options of {@linkcode parseOwnTexts}: where texts and labels are in a .csv or .jsonl file. */
export interface OwnTextsOptions {
  /** The column, or field, of the texts. @default {"text" in any case, or the only one there is} */
  readonly text?: string | undefined;
  /** The column, or field, of the labels. @default {"label" in any case, if there is one} */
  readonly label?: string | undefined;
}

/** The texts of a file. */
export interface OwnTexts {
  /** The texts, in the file's order. */
  readonly texts: readonly OwnText[];
  /** The labels, each once, in the order of numbers or else of characters; undefined without labels. */
  readonly labels: readonly string[] | undefined;
  /** Where the texts are in the file, for people: "column review, labels in column stars". */
  readonly where: string;
}

interface Places {
  readonly text: string;
  readonly label: string | undefined;
  readonly unread: readonly string[];
}

/** The names of the columns or fields of texts and labels, of those that there are. */
function placesIn(
  names: readonly string[],
  options: OwnTextsOptions,
  where: string,
  kind: "column" | "field",
): Places {
  const named = (name: string) => names.find((other) => other.trim().toLowerCase() === name);
  const label = options.label ?? named("label");
  const others = names.filter((name) => name !== label);
  const text = options.text ?? named("text") ?? (others.length === 1 ? others[0] : undefined);
  const list = quote(names.join(", "), 200);
  if (text === undefined) {
    throw usageError(`${where}: which ${kind} has the texts? Name one of ${list}`);
  }
  if (text === label) {
    throw usageError(`${where}: texts and labels are both in ${quote(text)}: name another ${kind}`);
  }
  const missing = [text, label].find((name) => name !== undefined && !names.includes(name));
  if (missing === undefined) {
    return { text, label, unread: others.filter((name) => name !== text) };
  }
  throw usageError(`${where}: there is no ${kind} ${quote(missing)}: name one of ${list}`);
}

/** The texts of a .txt file: a paragraph each if there are blank lines between, or else a line each. */
function plainTexts(bytes: Uint8Array<ArrayBuffer>, name: string): OwnTexts {
  const paragraphs = decodeUtf8(bytes, name).split(/(?:\r?\n[^\S\n]*){2,}/)
    .map((text) => text.trim()).filter((text) => text !== "");
  const isLines = paragraphs.length <= 1;
  const texts = isLines ? textLines(bytes, name).map(({ value }) => value.trim()) : paragraphs;
  return {
    texts: texts.map((text) => ({ text })),
    labels: undefined,
    where: isLines ? "a line each" : "a paragraph each, between blank lines",
  };
}

function noTexts(name: string): UserError {
  return new UserError(`${name}: no texts: add some, one a line or a row`);
}

/** A label of a JSON line as text. */
function labelOf(value: unknown, field: string, where: string): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw new UserError(
    `${where}: the label ${quote(field)} is ${quote(value)}, which is neither text nor a number`,
  );
}

const has = (value: JsonRecord, key: string) => Object.hasOwn(value, key);

function jsonTexts(
  records: readonly FileRecord<JsonRecord>[],
  name: string,
  options: OwnTextsOptions,
) {
  const [first] = records;
  if (first === undefined) throw noTexts(name);
  const places = placesIn(Object.keys(first.value), options, first.where, "field");
  const rows = records.map(({ value, where }) => {
    const text = has(value, places.text) ? value[places.text] : undefined;
    if (typeof text !== "string") {
      throw new UserError(`${where}: the field ${quote(places.text)} is not text`);
    }
    if (places.label === undefined) return { value: { text, label: undefined }, where };
    const label = has(value, places.label) ? value[places.label] : undefined;
    return { value: { text, label: labelOf(label, places.label, where) }, where };
  });
  return { places, rows, kind: "field" };
}

function csvTexts(bytes: Uint8Array<ArrayBuffer>, name: string, options: OwnTextsOptions) {
  let places: Places | undefined;
  const records = csvRecords(bytes, name, (header) => {
    places = placesIn(header, options, `${name}:1`, "column");
    return [places.text, ...places.label === undefined ? [] : [places.label]];
  });
  const { text, label } = places!;
  const rows = records.map(({ value, where }) => {
    return { value: { text: value[text]!, label: label && value[label]! }, where };
  });
  return { places: places!, rows, kind: "column" };
}

/** The labels, each once: in the order of numbers if all are numbers, or else of characters. */
function labelsOf(texts: readonly OwnText[]): string[] {
  const labels = [...new Set(texts.map(({ label = "" }) => label))];
  const areNumbers = labels.every((label) => Number.isFinite(Number(label)));
  return areNumbers ? labels.sort((a, b) => Number(a) - Number(b)) : labels.sort();
}

/**
 * Reads texts from a file. Its name decides the format: `.txt` has a text a line, or a paragraph each if
 * there are blank lines between; `.csv` has a header and a text a row; `.jsonl` a JSON object a line. White
 * space at the ends of texts and labels is removed. Blank texts are left out of .txt files, and refused in
 * the others.
 *
 * @param name The file, for its ending and for messages.
 * @throws {UserError} If the ending is another, or the file is not as its ending says, is not UTF-8, or has
 * no texts. The message names the file and, if there is one, the line. The exit code is that of wrong usage if
 * `options` name no column, or one that is not there.
 *
 * @example
 * ```ts
 * import { parseOwnTexts } from "@nanodiffusion/nanodiffusion";
 *
 * const bytes = new TextEncoder().encode("text,label\nWhat a day!,good\nNever again.,bad\n");
 * const { texts, labels } = parseOwnTexts(bytes, "days.csv");
 * console.assert(texts[1]?.label === "bad" && labels?.join() === "bad,good");
 * ```
 */
export function parseOwnTexts(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
  options: OwnTextsOptions = {},
): OwnTexts {
  const [ending] = /\.(?:txt|csv|jsonl)$/i.exec(name) ?? [];
  if (ending === undefined) {
    throw new UserError(`${name}: its name must end in .txt, .csv or .jsonl, to say what it is`);
  }
  if (ending.toLowerCase() === ".txt") {
    const plain = plainTexts(bytes, name);
    if (plain.texts.length === 0) throw noTexts(name);
    return plain;
  }
  const { places, rows, kind } = ending.toLowerCase() === ".csv"
    ? csvTexts(bytes, name, options)
    : jsonTexts(jsonObjects(bytes, name), name, options);
  const texts = rows.map(({ value, where }): OwnText => {
    const text = value.text.trim();
    if (text === "") throw new UserError(`${where}: the text is empty`);
    const label = value.label?.trim();
    if (label === "") throw new UserError(`${where}: the label is empty`);
    return { text, label };
  });
  if (texts.length === 0) throw noTexts(name);
  return {
    texts,
    labels: places.label === undefined ? undefined : labelsOf(texts),
    where: `${kind} ${quote(places.text)}` +
      (places.label === undefined ? "" : `, labels in ${kind} ${quote(places.label)}`) +
      (places.unread.length === 0 ? "" : `, not read: ${quote(places.unread.join(", "), 60)}`),
  };
}
