/** Which devices this test run can open. */
import type { DeviceName } from "../engine/device.ts";
import { permitted } from "./permissions.ts";

/** Where the devices' code lies: permissions are often given for it alone. */
const packages = new URL("../node_modules/", import.meta.url);

/** Whether the permissions that a device needs are there: none for cpu, native code for onnx. */
export function deviceWorks(device: DeviceName): boolean {
  if (device === "cpu") return true;
  return permitted({ name: device === "onnx" ? "ffi" : "read", path: packages });
}
