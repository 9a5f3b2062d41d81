/** Computation on a device in tests. */
import { type DeviceName, openDevice } from "../../engine/device.ts";
import type * as tf from "../../engine/tf.ts";
import type { HostArray } from "../../engine/tree.ts";

/** Tensors by name, on the host. */
export type Named = Record<string, HostArray>;

/** Runs a function of named tensors once on a device. */
export async function compute(
  device: DeviceName,
  inputs: Named,
  fn: (inputs: Record<string, tf.Tensor>) => Record<string, tf.Tensor>,
): Promise<Named> {
  const { compile } = await openDevice(device, { threads: 1 });
  const run = compile<Named, Named>(fn);
  try {
    return await run(inputs);
  } finally {
    await run.dispose();
  }
}
