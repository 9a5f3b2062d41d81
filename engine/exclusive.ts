/** Devices whose native code does not get along with each other's in one process. */
import type { DeviceName } from "./device_names.ts";
import { UserError } from "@nanodiffusion/base/errors";

let opened: DeviceName | undefined;

/**
 * Notes that a device is about to load native code that holds a compiler of its own: libtensorflow, its
 * GPU build, and the software adapters of WebGPU do. Two of them in one process end it without a word.
 *
 * @throws {UserError} If another such device was opened before.
 */
export function claimProcess(device: DeviceName): void {
  if (opened !== undefined && opened !== device) {
    throw new UserError(
      `The ${device} device cannot be opened in a process that has opened ${opened}.`,
    );
  }
  opened = device;
}
