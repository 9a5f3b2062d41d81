/** Opens devices in a web page. */
import { UserError } from "@nanodiffusion/base/errors";
import { getThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import "@tensorflow/tfjs-backend-webgpu";
import { compileEagerly } from "./compile_eagerly.ts";
import { registerWasmKernels } from "./composed_kernels.ts";
import type { BrowserDeviceName } from "./device_names.ts";
import { type Device, deviceOf } from "./device_of.ts";
import * as tf from "./tf.ts";

export type { BrowserDeviceName };

/** Options of {@linkcode openBrowserDevice}. */
export interface BrowserDeviceOptions {
  /** The address of the folder with the .wasm files of tfjs-backend-wasm; it ends with a slash. */
  readonly wasmFolder: string;
  /** Called if the browser takes the GPU away. */
  readonly onLost?: ((why: string) => void) | undefined;
}

/**
 * Opens a device in a browser, in a page or a worker. "wasm" uses all cores where the page is isolated
 * (`crossOriginIsolated`), or else one.
 *
 * @throws {UserError} If the browser lacks what the device needs.
 */
export async function openBrowserDevice(
  name: BrowserDeviceName,
  { wasmFolder, onLost }: BrowserDeviceOptions,
): Promise<Device> {
  if (name === "wasm") {
    if (
      typeof WebAssembly === "undefined" || !await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT")
    ) {
      throw new UserError(
        "this browser has no WebAssembly SIMD, which the computations need: use one of 2023 or later",
      );
    }
    setWasmPaths(wasmFolder);
    registerWasmKernels();
  }
  const opened = await tf.setBackend(name).catch(() => false);
  if (!opened) throw new UserError(`this browser opens no ${name} device`);
  if (name === "webgpu") {
    const { device } = tf.backend() as unknown as { readonly device: GPUDevice };
    device.lost.then(({ message }) => onLost?.(message));
  }
  const threads = name === "wasm" ? getThreadsCount() : 1;
  return await deviceOf(
    name,
    (onTime) => ({ threads, compile: compileEagerly(name, name, onTime) }),
  );
}
