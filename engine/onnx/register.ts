/** The onnx backend in tfjs's registry. */
import { UserError } from "@nanodiffusion/base/errors";
import * as tf from "../tf.ts";
import { BACKEND_NAME, OnnxBackend } from "./backend.ts";
import { registerKernels } from "./kernels/mod.ts";
import { probeBlockSize } from "./probe.ts";
import { Recorder } from "./recorder.ts";
import { loadRuntime } from "./sync_session.ts";

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

/** Registers the backend with tfjs, once, and finds the block size for this processor. */
export function initializeBackend(): Promise<OnnxBackend> {
  backend ??= create().catch((error) => {
    backend = undefined; // so that it can be tried again
    throw error;
  });
  return backend;
}

/** Options of {@linkcode registerOnnxBackend}. */
export interface OnnxBackendOptions {
  /** Threads within one operation, a whole number from 1: the number of cores by default. */
  threads?: number;
}

/**
 * Makes ONNX Runtime a backend of tfjs like any other: after `await tf.setBackend("onnx")` a plain tfjs
 * program runs on it unchanged. Operations are recorded as they are called. When a value is read
 * (`await t.data()`, `t.dataSync()`), everything pending runs as one graph, and every tensor that is
 * still in use gets its values. A graph of the same structure as one before, such as that of the next
 * training step, reuses its session. What is pending runs as well where tfjs begins a gradient while
 * another is pending, and when thousands of operations are.
 *
 * Kernels that ONNX has no counterpart for are computed by tfjs's cpu backend.
 *
 * @throws {UserError} If `threads` is no whole number from 1, or ONNX Runtime does not work here.
 */
export async function registerOnnxBackend(options: OnnxBackendOptions = {}): Promise<void> {
  const wanted = options.threads ?? navigator.hardwareConcurrency;
  if (!Number.isInteger(wanted) || wanted < 1) {
    throw new UserError(`threads must be a whole number from 1, but is ${wanted}.`);
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
