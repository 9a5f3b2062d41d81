/** The devices that there are, and what tensorflow needs from its surroundings. */

/** Names of devices. */
export const DEVICE_NAMES = [
  "onnx",
  "onnx-cuda",
  "wasm",
  "cpu",
  "webgpu",
  "tensorflow",
  "tensorflow-gpu",
] as const;

/** A device's name. */
export type DeviceName = typeof DEVICE_NAMES[number];

/** What `auto` tries, the fastest first; wasm is slow but asks for nothing. */
export const AUTO_ORDER = [
  "onnx-cuda",
  "tensorflow-gpu",
  "onnx",
  "wasm",
] as const satisfies DeviceName[];

/** What `--device` takes: a device, or the first of {@linkcode AUTO_ORDER} that works. */
export const DEVICE_CHOICES = [...DEVICE_NAMES, "auto"] as const;

/** A device's name, or "auto". */
export type DeviceChoice = typeof DEVICE_CHOICES[number];

/** Whether libtensorflow may be loaded for a device. */
export function usesTensorFlow(device: string): boolean {
  return device === "tensorflow" || device === "tensorflow-gpu" || device === "auto";
}

/**
 * Variables that libtensorflow reads when it is loaded, and their values unless the user has set others.
 * Without oneDNN, which it leaves off on processors without AVX-512, the gradient of a convolution's
 * input takes 1.7 times as long. Level 1 of its log leaves out what is no warning.
 */
export const TENSORFLOW_DEFAULTS: Readonly<Record<string, string>> = {
  TF_ENABLE_ONEDNN_OPTS: "1",
  TF_CPP_MIN_LOG_LEVEL: "1",
};

/** The variable that limits libtensorflow's threads within one operation. */
export const TENSORFLOW_THREADS = "TF_NUM_INTRAOP_THREADS";
