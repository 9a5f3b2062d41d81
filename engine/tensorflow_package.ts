/** Where the tensorflow devices come from. */
import { type DeviceName, usesTensorFlow } from "./device_names.ts";

/** A device that runs libtensorflow. */
export type TensorFlowName = DeviceName & `tensorflow${string}`;

/** Where a package's native half is, seen from the package's folder. */
export const BINDING_FILE = "lib/napi-v8/tfjs_binding.node";

/** Whether a device runs libtensorflow. */
export function isTensorFlow(device: DeviceName): device is TensorFlowName {
  return usesTensorFlow(device);
}

/** The npm package of a device. */
export function tensorflowPackage(device: TensorFlowName): string {
  return device === "tensorflow" ? "@tensorflow/tfjs-node" : "@tensorflow/tfjs-node-gpu";
}

/** The command that makes a device work. */
export function tensorflowSetup(device: TensorFlowName): string {
  return `deno task setup:tensorflow${device === "tensorflow" ? "" : " --gpu"}`;
}
