/** JSON that is read from files, compared and hashed. */
import { createHash } from "node:crypto";
import { UserError } from "./errors.ts";
import { jsonProblem } from "./json_keys.ts";
import { quote } from "./quote.ts";

/** A JSON value. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** A JSON object. A key whose value is undefined counts as absent. */
export interface JsonObject {
  /** The value of a key. */
  readonly [key: string]: JsonValue | undefined;
}

/** Whether a value is an object in JSON's sense: no list, not null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Parses the text of a JSON file that must hold one object.
 *
 * @param source What messages call the file: its path.
 * @throws {UserError} If it is not JSON or no object, or {@linkcode jsonProblem} finds something.
 */
export function parseJsonObject(text: string, source: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${source} is not JSON: ${quote((error as Error).message, 200)}`);
  }
  if (!isJsonObject(value)) throw new UserError(`${source} does not hold a JSON object`);
  const problem = jsonProblem(text);
  if (problem !== undefined) throw new UserError(`${source} ${problem}`);
  return value;
}

/** JSON with sorted keys and without spaces: equal values give equal texts. */
export function canonicalJson(value: JsonValue): string {
  return JSON.stringify(
    value,
    (_, item) =>
      isJsonObject(item)
        ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => a < b ? -1 : 1))
        : item,
  );
}

/** The SHA-256 of some bytes, or of a text in UTF-8, in hexadecimal. */
export async function sha256(content: Uint8Array<ArrayBuffer> | string): Promise<string> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** SHA-256 of bytes in parts, in hexadecimal. Unlike {@linkcode sha256} it makes no copy of them. */
export function sha256OfParts(parts: Iterable<Uint8Array>): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

/** Where two JSON values differ first, and how. */
export interface JsonDifference {
  /** The key, with dots between levels: "optimizer.learningRate". */
  readonly key: string;
  /** The left value; undefined where the key is missing. */
  readonly left: JsonValue | undefined;
  /** The right value; undefined where the key is missing. */
  readonly right: JsonValue | undefined;
}

/** All keys in which two objects differ, in the order of the keys. */
export function jsonDifferences(left: JsonObject, right: JsonObject, path = ""): JsonDifference[] {
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...keys].flatMap((name) => {
    const key = path === "" ? name : `${path}.${name}`;
    const [a, b] = [own(left, name), own(right, name)];
    if (isJsonObject(a) && isJsonObject(b)) return jsonDifferences(a, b, key);
    const same = a === undefined || b === undefined
      ? a === b
      : canonicalJson(a) === canonicalJson(b);
    return same ? [] : [{ key, left: a, right: b }];
  });
}

function own(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
