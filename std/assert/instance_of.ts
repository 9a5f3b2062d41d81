import { sentence } from "./_message.ts";
import { AssertionError } from "./assertion_error.ts";

/** The name of a value's class, or of its type where it has no class. */
function kindOf(value: unknown): string {
  if (value === null) return "null";
  return typeof value === "object" ? value.constructor?.name ?? "Object" : typeof value;
}

/**
 * Asserts that a value is an instance of a class.
 *
 * @throws {AssertionError} Naming the value's own class or type.
 */
export function assertInstanceOf<
  T extends abstract new (...args: never[]) => unknown,
>(
  actual: unknown,
  expectedType: T,
  msg = "",
): asserts actual is InstanceType<T> {
  if (actual instanceof expectedType) return;
  const kind = kindOf(actual);
  const found = kind === expectedType.name
    ? "" // a class of the same name: there is nothing to tell them apart by
    : kind === "function"
    ? " but was not an instanced object"
    : ` but was "${kind}"`;
  throw new AssertionError(
    sentence(
      `Expected object to be an instance of "${expectedType.name}"${found}`,
      msg,
    ),
  );
}
