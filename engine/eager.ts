/** Opens tfjs's eager backends. */
import { UserError } from "@nanodiffusion/base/errors";
import { compileEagerly, type EagerName } from "./compile_eagerly.ts";
import { registerWasmKernels } from "./composed_kernels.ts";
import { isTensorFlow } from "./device_names.ts";
import { openTensorFlow } from "./tensorflow.ts";
import * as tf from "./tf.ts";

/** Loads the tfjs backend of a device, and checks that it works. Returns the backend's name and threads. */
async function initialize(device: EagerName, requestedThreads: number | undefined) {
  let why = "";
  try {
    if (device === "wasm") {
      await import("@tensorflow/tfjs-backend-wasm");
      registerWasmKernels();
    }
    const opened = isTensorFlow(device)
      ? openTensorFlow(device, requestedThreads)
      : { backend: device, threads: 1 };
    if (await tf.setBackend(opened.backend)) return opened;
  } catch (error) {
    if (error instanceof UserError) throw error;
    why = error instanceof Error ? `: ${error.message}` : "";
  }
  throw new UserError(`The ${device} device does not work here${why}. Try the cpu device.`);
}

/**
 * Opens a device that is one of tfjs's eager backends. Its `compile` makes a function of host tensors of a
 * function of tensors.
 *
 * @param requestedThreads Threads within one operation, on devices that can choose.
 * @param onTime Receives the milliseconds of each run.
 * @throws {UserError} If the device does not work on this machine.
 */
export async function openEager(
  device: EagerName,
  requestedThreads: number | undefined,
  onTime: (milliseconds: number) => void,
) {
  const { backend, threads } = await initialize(device, requestedThreads);
  return { threads, compile: compileEagerly(device, backend, onTime) };
}
