/** Functions that give new values for some of their inputs, to be written where the old ones lie. */

const paths = new WeakMap<object, readonly string[]>();

/**
 * Lets a device write results over inputs: those at the same path in both trees, such as "state" for
 * everything under it. A state of gigabytes is then neither allocated nor copied in every step. The
 * inputs' arrays change when the compiled function is called and are what it gives back.
 *
 * A new value must depend on everything that the function computes from the old one, or else the old
 * one might be read when it is gone. A training step that clips by the gradients' global norm is so.
 *
 * @param fn The function, which is also what is returned.
 * @param where Paths in the trees of inputs and results.
 */
export function updatesInPlace<Fn extends object>(fn: Fn, where: readonly string[]): Fn {
  paths.set(fn, where);
  return fn;
}

/** Whether a result of a function at a path is to be written over the input there. */
export function isUpdatedInPlace(fn: object, path: string): boolean {
  return paths.get(fn)?.some((start) => path === start || path.startsWith(`${start}.`)) ?? false;
}
