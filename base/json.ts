/** JSON that is read from files, compared and hashed. */
import { createHash } from "node:crypto";
import { UserError } from "./errors.ts";
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

/** Levels of lists and objects in each other; what goes through a value must not run out of stack. */
const MOST_LEVELS = 200;

/**
 * What is wrong with a JSON text that JSON.parse accepts: a key that occurs twice in one object, of which
 * it would silently keep the last, so that two readers of a file can disagree about what it says; the key
 * `__proto__`; more than 200 levels; and a number that a float64 cannot hold, which becomes infinite.
 *
 * @param text JSON that JSON.parse accepts.
 * @param options `anyKey`: whether keys are names of a stranger's, `__proto__` among them. @default false
 * @returns A clause, "has the key ... twice", or undefined where all is well.
 */
export function jsonProblem(text: string, { anyKey = false } = {}): string | undefined {
  const objects: (Set<string> | undefined)[] = []; // undefined stands for an array
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
      while (text[next]! <= " ") next++; // all that JSON counts as white space, and no other character
      if (keys === undefined || text[next] !== ":") continue;
      const key: string = JSON.parse(text.slice(start, i + 1));
      if (key === "__proto__" && !anyKey) {
        return `has the key "__proto__", which has no meaning here`;
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
