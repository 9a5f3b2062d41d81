/** Which devices this test run can open. */
import type { DeviceName } from "../engine/device.ts";
import { permitted } from "./permissions.ts";

/** Whether the permissions that a device needs are there: none for cpu, native code for onnx. */
export function deviceWorks(device: DeviceName): boolean {
  if (device === "cpu") return true;
  if (device === "wasm") return permitted({ name: "read" });
  return permitted({ name: "read" }, { name: "ffi" }, { name: "sys" });
}
