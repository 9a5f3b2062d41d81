/** The devices, and what the tensorflow devices need from the environment. */

/** Names of devices. */
export const DEVICE_NAMES = [
  "onnx",
  "onnx-webgpu",
  "wasm",
  "cpu",
  "tensorflow",
  "tensorflow-gpu",
] as const;

/** A device's name. */
export type DeviceName = typeof DEVICE_NAMES[number];

/** A device's name in a browser: see browser.ts. */
export type BrowserDeviceName = "webgpu" | "wasm";

/**
 * The devices that `auto` tries, the fastest first; onnx-webgpu with a GPU only. The last one, wasm, is slow but works everywhere.
 */
export const AUTO_ORDER = [
  "onnx-webgpu",
  "tensorflow-gpu",
  "onnx",
  "wasm",
] as const satisfies DeviceName[];

/** The devices to choose from: a name, or "auto" for the first of {@linkcode AUTO_ORDER} that works. */
export const DEVICE_CHOICES = [...DEVICE_NAMES, "auto"] as const;

/** A device's name, or "auto". */
export type DeviceChoice = typeof DEVICE_CHOICES[number];

/** A device that runs libtensorflow. */
export type TensorFlowName = DeviceName & `tensorflow${string}`;

export function isTensorFlow(device: string): device is TensorFlowName {
  return device === "tensorflow" || device === "tensorflow-gpu";
}

/** Whether opening a device may load libtensorflow. */
export function usesTensorFlow(device: string): boolean {
  return isTensorFlow(device) || device === "auto";
}

export function tensorflowPackage(device: TensorFlowName): string {
  return device === "tensorflow" ? "@tensorflow/tfjs-node" : "@tensorflow/tfjs-node-gpu";
}

/** The package's native code, relative to the package's folder. */
export const BINDING_FILE = "lib/napi-v8/tfjs_binding.node";

/** The command that sets a device up. */
export function tensorflowSetup(device: TensorFlowName): string {
  return `deno task setup:tensorflow${device === "tensorflow" ? "" : " --gpu"}`;
}

/**
 * Environment variables that libtensorflow reads when it is loaded, with the values that are set unless
 * the user has set others. oneDNN is off by default on processors without AVX-512; without it the gradient
 * of a convolution's input takes 1.7 times as long. Log level 1 prints warnings and errors only.
 */
export const TENSORFLOW_DEFAULTS: Readonly<Record<string, string>> = {
  TF_ENABLE_ONEDNN_OPTS: "1",
  TF_CPP_MIN_LOG_LEVEL: "1",
};

/** The environment variable that limits libtensorflow's threads within one operation. */
export const TENSORFLOW_THREADS = "TF_NUM_INTRAOP_THREADS";
