/**
 * The tensorflow devices: npm:@tensorflow/tfjs-node and tfjs-node-gpu. Their kernels and backend are loaded
 * one by one. The packages' own entry needs more permissions and replaces tfjs's current backend.
 */
import { createRequire } from "node:module";
import { UserError } from "@nanodiffusion/base/errors";
import { registerPaddedConvolutions } from "./composed_kernels.ts";
import {
  BINDING_FILE,
  TENSORFLOW_DEFAULTS,
  TENSORFLOW_THREADS,
  type TensorFlowName,
  tensorflowPackage,
  tensorflowSetup,
} from "./device_names.ts";
import { checkNativeFiles, claimProcess } from "./native_code.ts";
import * as tf from "./tf.ts";

const BACKEND = "tensorflow"; // tfjs's name for it, in both packages

interface NodeBackend extends tf.KernelBackend {
  readonly isUsingGpuDevice: boolean;
}

let loaded: { device: TensorFlowName; backend: NodeBackend; threads: number } | undefined;

function mayRead(variable: string): boolean {
  return Deno.permissions.querySync({ name: "env", variable }).state === "granted";
}

/**
 * Sets the environment variables that libtensorflow reads when it is loaded, as far as permissions allow.
 *
 * @returns The number of threads that it will use.
 */
function prepareEnvironment(threads: number | undefined): number {
  for (const [name, value] of Object.entries(TENSORFLOW_DEFAULTS)) {
    if (mayRead(name) && Deno.env.get(name) === undefined) Deno.env.set(name, value);
  }
  if (!mayRead(TENSORFLOW_THREADS)) return navigator.hardwareConcurrency;
  if (threads !== undefined) Deno.env.set(TENSORFLOW_THREADS, String(threads));
  return Number(Deno.env.get(TENSORFLOW_THREADS) ?? 0) || navigator.hardwareConcurrency;
}

/** Finds a package's folder, and checks that its native code is there. */
function locate(device: TensorFlowName): string {
  const require = createRequire(import.meta.url);
  const manifest = require.resolve(`${tensorflowPackage(device)}/package.json`) as string;
  const folder = manifest.replace(/package\.json$/, "");
  // Checked first: after a failed import the package could not be loaded again in this process.
  Deno.statSync(folder + BINDING_FILE);
  const libraries = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"];
  checkNativeFiles([BINDING_FILE, ...libraries.map((name) => `deps/site/tensorflow/${name}`)]
    .map((name) => folder + name));
  return folder;
}

function load(device: TensorFlowName, folder: string): NodeBackend {
  const require = createRequire(import.meta.url);
  // The package calls this function, which Node has removed.
  const util = require("node:util") as { isNullOrUndefined?: (value: unknown) => boolean };
  util.isNullOrUndefined ??= (value) => value === null || value === undefined;
  const binding: unknown = require(folder + BINDING_FILE);
  const { NodeJSKernelBackend } = require(`${folder}dist/nodejs_kernel_backend.js`) as {
    NodeJSKernelBackend: new (binding: unknown, name: string) => NodeBackend;
  };
  require(`${folder}dist/register_all_kernels.js`);
  return new NodeJSKernelBackend(binding, tensorflowPackage(device));
}

/**
 * Loads a tensorflow device.
 *
 * @param threads Threads within one operation; only the first call of a process can choose.
 * @returns The name of tfjs's backend, and the threads.
 * @throws {UserError} If it is not set up, is broken or finds no GPU, or if this process has opened a
 * device that it cannot share a process with.
 */
export function openTensorFlow(
  device: TensorFlowName,
  threads: number | undefined,
): { backend: string; threads: number } {
  if (loaded === undefined || loaded.device !== device) {
    let count: number;
    let backend: NodeBackend;
    try {
      const folder = locate(device);
      claimProcess(device);
      count = prepareEnvironment(threads);
      backend = load(device, folder);
    } catch (cause) {
      if (cause instanceof UserError) throw cause;
      const absent = cause instanceof Deno.errors.NotFound ||
        (cause as { code?: string }).code === "MODULE_NOT_FOUND";
      const why = absent ? "is not set up" : `does not work here (${(cause as Error).message})`;
      throw new UserError(`The ${device} device ${why}: run ${tensorflowSetup(device)}`, { cause });
    }
    loaded = { device, backend, threads: count };
    tf.registerBackend(BACKEND, () => backend);
    registerPaddedConvolutions(BACKEND);
  }
  if (device === "tensorflow-gpu" && !loaded.backend.isUsingGpuDevice) {
    throw new UserError(
      "The tensorflow-gpu device finds no GPU: it needs an NVIDIA GPU, its driver and CUDA 12.",
    );
  }
  return { backend: BACKEND, threads: loaded.threads };
}
