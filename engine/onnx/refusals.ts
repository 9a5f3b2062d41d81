/** What the onnx backend cannot do, said to whoever wrote the tfjs code. */
import { UserError } from "@nanodiffusion/base/errors";

/** A kernel has no counterpart in ONNX for what it is asked: thrown before anything is recorded. */
export class NoCounterpart extends Error {}

/** A value was read in traced code. */
export function readInTrace(): UserError {
  return new UserError(
    "Traced code must not read values (dataSync, arraySync): return the tensor from the function " +
      "that compile() is given, and read it outside.",
  );
}

/** A function was traced while another was. */
export function nestedTrace(): UserError {
  return new UserError("compile() cannot be called in traced code.");
}

/** Traced code used a tensor that another backend holds. */
export function otherDevice(): UserError {
  return new UserError("A tensor of another device was used in traced code.");
}

/** A tensor outlived the trace that it was made in. */
export function escaped(): UserError {
  return new UserError(
    "A tensor of traced code was used after the function that compile() was given: return it from " +
      "the function.",
  );
}

/** A tensor has a type that ONNX graphs of this project do not take. */
export function type(dtype: string): UserError {
  return new UserError(`The onnx device has no tensors of type ${dtype}.`);
}
