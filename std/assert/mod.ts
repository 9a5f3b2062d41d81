/**
 * The assertions of `jsr:@std/assert` that this project uses, over node:assert and node:util, for
 * networks that cannot reach JSR. Names and signatures are those of the original.
 *
 * @module
 */
import { AssertionError as NodeAssertionError } from "node:assert";
import { inspect, isDeepStrictEqual } from "node:util";

/** A class of errors. */
type ErrorClass<E extends Error> = abstract new (...args: never[]) => E;

/** The error that every failed assertion throws. */
export class AssertionError extends Error {
  /** @param message What was expected and what was found. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

/** Asserts that a value is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Asserts that a value is falsy. */
export function assertFalse(expr: unknown, msg = ""): void {
  assert(!expr, msg);
}

/**
 * Asserts that two values are equal in depth. NaN equals NaN and 0 equals -0. Values of different
 * classes differ, and so do an absent key and one that is undefined.
 */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  throw new AssertionError(
    `${sentence("Values are not equal", msg)}\n${difference(actual, expected)}`,
  );
}

/** Asserts that two values are not equal in depth: see {@linkcode assertEquals}. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) return;
  const text = `Expected actual: ${inspect(actual)} not to be: ${inspect(expected)}`;
  throw new AssertionError(sentence(text, msg));
}

/** Asserts that two values are the same, as `Object.is` compares them. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  throw new AssertionError(
    `${sentence("Values are not strictly equal", msg)}\n${difference(actual, expected)}`,
  );
}

/** Asserts that two numbers differ by at most `tolerance`, by default 1e-7 times `expected`. */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void {
  if (Object.is(actual, expected)) return;
  const delta = Math.abs(expected - actual);
  const allowed = tolerance ?? (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  if (delta <= allowed) return;
  const text = `Expected actual: ${actual} to be close to ${expected}: ` +
    `delta ${delta} is greater than ${allowed}`;
  throw new AssertionError(sentence(text, msg));
}

/** Asserts that a text contains another. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (actual.includes(expected)) return;
  const text = `Expected actual: "${actual}" to contain: "${expected}"`;
  throw new AssertionError(sentence(text, msg));
}

/** Asserts that a text matches a regular expression. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (expected.test(actual)) return;
  const text = `Expected actual: "${actual}" to match: "${expected}"`;
  throw new AssertionError(sentence(text, msg));
}

/** Asserts that a function throws, and returns what it throws. */
export function assertThrows(fn: () => unknown): unknown;
/** Asserts that a function throws an error of a class with a message that contains a text. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  errorClass?: ErrorClass<Error>,
  msgIncludes = "",
): unknown {
  try {
    fn();
  } catch (error) {
    checkError(error, errorClass, msgIncludes);
    return error;
  }
  throw new AssertionError("Expected function to throw.");
}

/** Asserts that a promise is rejected, and returns the reason. */
export function assertRejects(fn: () => PromiseLike<unknown>): Promise<unknown>;
/** Asserts that a promise is rejected with an error of a class, its message containing a text. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  errorClass?: ErrorClass<Error>,
  msgIncludes = "",
): Promise<unknown> {
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (cause) {
    throw new AssertionError("Function throws when expected to reject.", { cause });
  }
  try {
    await promise;
  } catch (error) {
    checkError(error, errorClass, msgIncludes);
    return error;
  }
  throw new AssertionError("Expected function to reject.");
}

function checkError(error: unknown, errorClass: ErrorClass<Error> | undefined, includes: string) {
  if (errorClass === undefined) return;
  if (!(error instanceof errorClass)) {
    throw new AssertionError(
      `Expected error to be instance of "${errorClass.name}", but was ${inspect(error)}`,
      { cause: error },
    );
  }
  const text = JSON.stringify(includes);
  const found = JSON.stringify(error.message);
  assert(error.message.includes(includes), `Expected message to include ${text}, but got ${found}`);
}

type Keyed = Readonly<Record<PropertyKey, unknown>>;

/** node's deep equality, but 0 equals -0 wherever numbers usually are. */
function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (!isObject(a) || !isObject(b)) return Object.is(a, b);
  const prototype = prototypeOf(a);
  if (prototype !== prototypeOf(b)) return false;
  if (ArrayBuffer.isView(a) && !(a instanceof DataView)) {
    return equalNumbers(a as Float64Array, b as Float64Array);
  }
  if (a instanceof Map && b instanceof Map) {
    return isDeepStrictEqual(a, b) ||
      a.size === b.size && [...a].every(([key, value]) => b.has(key) && equal(value, b.get(key)));
  }
  if (prototype !== Object.prototype && prototype !== Array.prototype) {
    return isDeepStrictEqual(a, b);
  }
  const keys = Reflect.ownKeys(a);
  return keys.length === Reflect.ownKeys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && equal((a as Keyed)[key], (b as Keyed)[key]));
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** An object without a prototype counts as a plain one. */
function prototypeOf(value: object): object {
  return Object.getPrototypeOf(value) ?? Object.prototype;
}

function equalNumbers(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i] && !Object.is(a[i], b[i])) return false;
  }
  return true;
}

/** A sentence, followed by the caller's own message if there is one. */
function sentence(text: string, msg?: string): string {
  return msg ? `${text}: ${msg}` : `${text}.`;
}

/** The lines in which two values differ. */
function difference(actual: unknown, expected: unknown): string {
  const texts = [actual, expected].map((value) =>
    inspect(value, { depth: Infinity, maxArrayLength: Infinity })
  );
  // A comparison of thousands of lines takes minutes.
  if (texts.some((text) => text.split("\n").length > 2000)) {
    return `actual: ${inspect(actual)}\nexpected: ${inspect(expected)}`;
  }
  const { message } = new NodeAssertionError({ actual, expected, operator: "deepStrictEqual" });
  return message.slice(message.indexOf("\n") + 1).trimEnd(); // without node's own first line
}
