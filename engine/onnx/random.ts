/** Random numbers in traced code. */
import { UserError } from "@nanodiffusion/base/errors";
import { currentOperation } from "./operation.ts";

/**
 * Refuses tensors that tfjs's random operations make while a function is traced: they are drawn once,
 * while it is traced, and would be the same constants in every call.
 *
 * @throws {UserError} If such an operation is running.
 */
export function refuseRandomNumbers(): void {
  const operation = currentOperation();
  if (operation === undefined || !/^tf\.(random[A-Z]|truncatedNormal)/.test(operation)) return;
  throw new UserError(
    `${operation}() in traced code would give the same numbers in every call: ` +
      "draw them outside, and pass them to the compiled function. (Dropout draws them too.)",
  );
}
