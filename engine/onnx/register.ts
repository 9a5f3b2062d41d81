/** Registers the onnx backend with tfjs. */
import { UserError } from "@nanodiffusion/base/errors";
import * as tf from "../tf.ts";
import { BACKEND_NAME, OnnxBackend } from "./backend.ts";
import { registerKernels } from "./kernels/mod.ts";
import { probeBlockSize } from "./probe.ts";
import { Recorder } from "./recorder.ts";
import { loadRuntime } from "./session.ts";

let backend: Promise<OnnxBackend> | undefined;
let threads = navigator.hardwareConcurrency;

async function create(): Promise<OnnxBackend> {
  const open = await loadRuntime();
  const created = new OnnxBackend(new Recorder(open, () => ({ threads })));
  created.blockSize = await probeBlockSize();
  tf.registerBackend(BACKEND_NAME, () => created);
  registerKernels(created);
  return created;
}

/** The backend, which the first call registers with tfjs. */
export function initializeBackend(): Promise<OnnxBackend> {
  backend ??= create().catch((error) => {
    backend = undefined; // so that a later call tries again
    throw error;
  });
  return backend;
}

/** Options of {@linkcode registerOnnxBackend}. */
export interface OnnxBackendOptions {
  /** Threads within one operation, at least 1. @default The number of cores. */
  threads?: number | undefined;
}

/**
 * Registers ONNX Runtime as a backend of tfjs. After `await tf.setBackend("onnx")` a tfjs program runs on it
 * unchanged. Operations are recorded as they are called. When a value is read (`await t.data()`,
 * `t.dataSync()`), all pending operations run as one graph, and every tensor that is still in use gets its
 * values. A graph with the structure of an earlier one, such as that of the next training step, reuses its
 * session. The pending operations also run when a gradient begins while another is pending, and when there
 * are thousands of them.
 *
 * tfjs's cpu backend computes the kernels that ONNX lacks.
 *
 * @throws {UserError} If `threads` is not a whole number of at least 1, or ONNX Runtime does not work on
 * this machine.
 */
export async function registerOnnxBackend(options: OnnxBackendOptions = {}): Promise<void> {
  const wanted = options.threads ?? navigator.hardwareConcurrency;
  if (!Number.isInteger(wanted) || wanted < 1) {
    throw new UserError(`threads is ${wanted}; it must be a whole number of at least 1.`);
  }
  threads = wanted;
  try {
    await initializeBackend();
  } catch (error) {
    throw new UserError(`The onnx device does not work here: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
