/** Parses, compares and hashes JSON. */
import { UserError } from "./errors.ts";
import { quote } from "./quote.ts";

/** A JSON value. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** A JSON object. A key with the value undefined counts as absent. */
export interface JsonObject {
  /** The value of a key. */
  readonly [key: string]: JsonValue | undefined;
}

/** Whether a value is a JSON object: not an array, and not null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Parses a JSON file that contains one object.
 *
 * @param source The name of the file in messages: its path.
 * @param options `infinities`: whether `Infinity` and `-Infinity` are numbers, as Python writes them.
 * @default false
 * @throws {UserError} If the text is not JSON or not an object, or if {@linkcode jsonProblem} finds a problem.
 */
export function parseJsonObject(
  text: string,
  source: string,
  { infinities = false } = {},
): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(infinities ? replaceInfinity(text, "1e999") : text);
  } catch (error) {
    throw new UserError(`${source} is not JSON: ${quote((error as Error).message, 200)}`);
  }
  if (!isJsonObject(value)) throw new UserError(`${source} does not hold a JSON object`);
  const problem = jsonProblem(infinities ? replaceInfinity(text, "0") : text);
  if (problem !== undefined) throw new UserError(`${source} ${problem}`);
  return value;
}

/** Replaces the word Infinity outside of strings. */
function replaceInfinity(text: string, number: string): string {
  return text.replace(
    /"[^"\\]*(?:\\[^][^"\\]*)*"?|\bInfinity\b/g,
    (found) => found === "Infinity" ? number : found,
  );
}

/** JSON with sorted keys and without spaces. Equal values have equal texts. */
export function canonicalJson(value: JsonValue): string {
  return JSON.stringify(
    value,
    (_, item) =>
      isJsonObject(item)
        ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => a < b ? -1 : 1))
        : item,
  );
}

/** The SHA-256 of bytes, or of a text in UTF-8, in hexadecimal. */
export async function sha256(content: Uint8Array<ArrayBuffer> | string): Promise<string> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** The SHA-256 of the parts in sequence, in hexadecimal. Unlike {@linkcode sha256} it makes no copy. */
export function sha256OfParts(parts: Iterable<Uint8Array>): string {
  // Not imported: browsers have no such module, and load this file too.
  const hash = process.getBuiltinModule("node:crypto").createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

/**
 * A key in which two JSON objects differ, with dots between levels. A value is undefined if its key is
 * missing.
 */
export interface JsonDifference {
  readonly key: string;
  readonly left: JsonValue | undefined;
  readonly right: JsonValue | undefined;
}

/** All differences of two objects, in the order of their keys. */
export function jsonDifferences(left: JsonObject, right: JsonObject, path = ""): JsonDifference[] {
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...keys].flatMap((name) => {
    const key = path === "" ? name : `${path}.${name}`;
    const a = Object.hasOwn(left, name) ? left[name] : undefined;
    const b = Object.hasOwn(right, name) ? right[name] : undefined;
    if (isJsonObject(a) && isJsonObject(b)) return jsonDifferences(a, b, key);
    const same = a === undefined || b === undefined
      ? a === b
      : canonicalJson(a) === canonicalJson(b);
    return same ? [] : [{ key, left: a, right: b }];
  });
}

/** The deepest nesting that is accepted, so that recursive functions do not run out of stack. */
const MOST_LEVELS = 200;

/**
 * Finds problems that JSON.parse does not report:
 *
 * - a key that occurs twice in one object. JSON.parse keeps the last one, other programs may not;
 * - the key `__proto__`;
 * - more than 200 levels of nesting;
 * - a number that is too large for a float64, which becomes infinite.
 *
 * @param text JSON that JSON.parse accepts.
 * @param options `anyKey`: whether the key `__proto__` is allowed, because keys are names from an untrusted
 * file. @default false
 * @returns The problem as a clause, such as "has the key "a" twice"; undefined if there is none.
 */
export function jsonProblem(text: string, { anyKey = false } = {}): string | undefined {
  const objects: (Set<string> | undefined)[] = []; // undefined for an array
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === "{") objects.push(new Set());
    else if (character === "[") objects.push(undefined);
    else if (character === "}" || character === "]") objects.pop();
    else if (character === '"') {
      const start = i++;
      while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
      const keys = objects.at(-1);
      let next = i + 1;
      while (text[next]! <= " ") next++; // in JSON exactly the characters of white space
      if (keys === undefined || text[next] !== ":") continue;
      const key: string = JSON.parse(text.slice(start, i + 1));
      if (key === "__proto__" && !anyKey) {
        return 'has the key "__proto__", which is not allowed';
      }
      if (keys.has(key)) return `has the key ${quote(key)} twice`;
      keys.add(key);
    } else if (character! >= "0" && character! <= "9") {
      const start = i;
      while (/[\d.eE+-]/.test(text[i + 1] ?? "")) i++;
      if (i - start > 2 && !Number.isFinite(Number(text.slice(start, i + 1)))) {
        return `has a number that is too large, ${quote(text.slice(start, i + 1))}`;
      }
    }
    if (objects.length > MOST_LEVELS) return `is nested more than ${MOST_LEVELS} levels deep`;
  }
  return undefined;
}
