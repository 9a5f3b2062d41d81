/** Numbers that a device may use where they lie, without a copy. */

const arrays = new WeakSet<object>();

/**
 * Lends an array to the function that is being compiled: its numbers, made a tensor of with tf.tensor(),
 * must stay as they are until the function has run for the first time. The weights of a model are 0.5 GB
 * for GPT-2, and a copy as large would be made of them each time that they become constants.
 */
export function lend<Data extends object>(data: Data): Data {
  arrays.add(data);
  return data;
}

/** Whether an array is lent. */
export function isLent(data: unknown): boolean {
  return typeof data === "object" && data !== null && arrays.has(data);
}
