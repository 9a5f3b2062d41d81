/** Which operation of tfjs a kernel is called for. */
import * as tf from "../tf.ts";

/** The operation that is running, such as "tf.matMul"; tfjs calls its scope "matMul__op". */
export function currentOperation(): string | undefined {
  const scope = tf.engine().state.activeScope as unknown as { name?: string } | undefined;
  return scope?.name?.endsWith("__op") ? `tf.${scope.name.slice(0, -"__op".length)}` : undefined;
}

/**
 * What the nodes of a kernel are named after: "BatchMatMul", or "tf.matMul:BatchMatMul" where the
 * operation that asked for the kernel is known.
 */
export function scopeOf(kernel: string): string {
  const operation = currentOperation();
  return operation === undefined ? kernel : `${operation}:${kernel}`;
}
