/** The errors for tfjs code that the onnx backend does not support. */
import { UserError } from "@nanodiffusion/base/errors";
import { currentOperation } from "./graph_error.ts";

/** Thrown by a kernel, before it records anything, if ONNX has no equivalent for its inputs. */
export class NoCounterpart extends Error {}

/** The error for reading a value in traced code. */
export function readInTrace(): UserError {
  return new UserError(
    "Traced code must not read values (dataSync, arraySync): return the tensor from the compiled " +
      "function, and read it outside.",
  );
}

/** The error for tracing a function while another one is being traced. */
export function nestedTrace(): UserError {
  return new UserError("compile() cannot be called in traced code.");
}

/** The error for a tensor of another backend in traced code. */
export function otherDevice(): UserError {
  return new UserError("A tensor of another device was used in traced code.");
}

/** The error for a tensor that is used after the trace in which it was made. */
export function escaped(): UserError {
  return new UserError(
    "A tensor of traced code was used after the compiled function had returned: return it from the " +
      "function.",
  );
}

/** The error for an element type that graphs do not support. */
export function type(dtype: string): UserError {
  return new UserError(`The onnx device has no tensors of type ${dtype}.`);
}

/**
 * Refuses tensors that tfjs's random operations make in traced code. They would be sampled once, during
 * the trace, and be the same constants in every call.
 *
 * @throws {UserError} If such an operation is running.
 */
export function refuseRandomNumbers(): void {
  const operation = currentOperation();
  if (operation === undefined || !/^tf\.(random[A-Z]|truncatedNormal)/.test(operation)) return;
  throw new UserError(
    `${operation}() in traced code would return the same numbers in every call: sample them outside, ` +
      "and pass them to the compiled function. (Dropout samples numbers, too.)",
  );
}
