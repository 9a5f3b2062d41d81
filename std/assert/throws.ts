import { stripVTControlCharacters } from "node:util";
import { sentence } from "./_message.ts";
import { AssertionError } from "./assertion_error.ts";

/** A class of errors, whatever its constructor takes. */
type ErrorClass<E> = abstract new (...args: never[]) => E;

/**
 * Asserts that a value is an error of a class whose message holds or matches something.
 *
 * @param errorClass The class; any error will do without it.
 * @param msgMatches Text that the message must contain, or an expression that it must match.
 * @throws {AssertionError} Naming what was found instead.
 */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  errorClass?: abstract new (...args: never[]) => E,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  if (!(error instanceof Error)) {
    throw new AssertionError(sentence('Expected "error" to be an Error object', msg));
  }
  if (errorClass && !(error instanceof errorClass)) {
    const kind = error.constructor?.name;
    throw new AssertionError(
      sentence(
        `Expected error to be instance of "${errorClass.name}", but was "${kind}"`,
        msg,
      ),
    );
  }
  if (!msgMatches) return;
  const plain = stripVTControlCharacters(error.message);
  const matches = typeof msgMatches === "string"
    ? plain.includes(stripVTControlCharacters(msgMatches))
    : msgMatches.test(plain);
  if (matches) return;
  const wanted = typeof msgMatches === "string" ? JSON.stringify(msgMatches) : String(msgMatches);
  throw new AssertionError(
    sentence(
      `Expected error message to include ${wanted}, but got ${JSON.stringify(error.message)}`,
      msg,
    ),
  );
}

/** Either (errorClass, msgIncludes, msg) or (msg): what was meant. */
function readArguments<E>(
  errorClassOrMsg: ErrorClass<E> | string | undefined,
  msgIncludes: string | undefined,
  msg: string | undefined,
): {
  errorClass?: ErrorClass<E> | undefined;
  msgIncludes?: string | undefined;
  msg?: string | undefined;
} {
  return typeof errorClassOrMsg === "string"
    ? { msg: errorClassOrMsg }
    : { errorClass: errorClassOrMsg, msgIncludes, msg };
}

/** Checks what was thrown against what was expected. */
function checkError<E extends Error>(
  error: unknown,
  verb: "thrown" | "rejected",
  { errorClass, msgIncludes, msg }: ReturnType<typeof readArguments<E>>,
): void {
  if (errorClass === undefined) return;
  if (!(error instanceof Error)) {
    throw new AssertionError(sentence(`A non-Error object was ${verb}`, msg));
  }
  assertIsError(error, errorClass, msgIncludes, msg);
}

/**
 * Asserts that a function throws, whatever it is.
 *
 * @returns What was thrown.
 * @throws {AssertionError} When nothing was.
 */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/**
 * Asserts that a function throws an error of a class.
 *
 * @param fn A function that throws before it returns.
 * @param errorClass The class of the error.
 * @param msgIncludes Text that its message must contain.
 * @returns The error.
 * @throws {AssertionError} When nothing was thrown, or something else was.
 */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: abstract new (...args: never[]) => E,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClassOrMsg?: ErrorClass<E> | string,
  msgIncludesOrMsg?: string,
  msg?: string,
): unknown {
  const expected = readArguments(errorClassOrMsg, msgIncludesOrMsg, msg);
  try {
    fn();
  } catch (error) {
    checkError(error, "thrown", expected);
    return error;
  }
  throw new AssertionError(sentence("Expected function to throw", expected.msg));
}

/**
 * Asserts that a promise is rejected, with whatever it is.
 *
 * @returns What it was rejected with.
 * @throws {AssertionError} When it was not.
 */
export function assertRejects(
  fn: () => PromiseLike<unknown>,
  msg?: string,
): Promise<unknown>;
/**
 * Asserts that a promise is rejected with an error of a class.
 *
 * @param fn A function that returns a promise; one that throws before it returns fails.
 * @param errorClass The class of the error.
 * @param msgIncludes Text that its message must contain.
 * @returns The error.
 * @throws {AssertionError} When it was not rejected, or with something else.
 */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: abstract new (...args: never[]) => E,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClassOrMsg?: ErrorClass<E> | string,
  msgIncludesOrMsg?: string,
  msg?: string,
): Promise<unknown> {
  const expected = readArguments(errorClassOrMsg, msgIncludesOrMsg, msg);
  let promise: PromiseLike<unknown> | undefined;
  try {
    promise = fn();
    if (typeof promise?.then !== "function") {
      throw new TypeError("not a promise");
    }
  } catch {
    throw new AssertionError(sentence("Function throws when expected to reject", expected.msg));
  }
  try {
    await promise;
  } catch (error) {
    checkError(error, "rejected", expected);
    return error;
  }
  throw new AssertionError(sentence("Expected function to reject", expected.msg));
}
