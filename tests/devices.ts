/** Which devices this test run can open. */
import type { DeviceName } from "../engine/device_names.ts";
import { BINDING_FILE, type TensorFlowName, tensorflowPackage } from "../engine/device_names.ts";
import { permitted } from "./permissions.ts";

/** Where the devices' code lies: permissions are often given for it alone. */
const packages = new URL("../node_modules/", import.meta.url);

function exists(path: string | URL): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

const isSetUp: Partial<Record<DeviceName, () => boolean>> = {
  tensorflow: () => hasBinding("tensorflow"),
  "tensorflow-gpu": () => hasBinding("tensorflow-gpu") && exists("/dev/nvidia0"),
  "onnx-webgpu": () => false, // only if named: see on_webgpu.ts
};

function hasBinding(name: TensorFlowName): boolean {
  return exists(new URL(`${tensorflowPackage(name)}/${BINDING_FILE}`, packages));
}

/**
 * Of the devices that do not get along in one process, and all tests run in one, the one that is tested:
 * that of the variable DEVICE, or the first that is set up.
 */
function chosen(): string | undefined {
  const named = permitted({ name: "env", variable: "DEVICE" }) ? Deno.env.get("DEVICE") : undefined;
  return named ?? Object.entries(isSetUp).find(([, works]) => works())?.[0];
}

/**
 * Whether a device is to be tested: none needs a permission for cpu, those of native code need ffi, and
 * some are not set up everywhere.
 */
export function deviceWorks(device: DeviceName): boolean {
  if (device === "cpu") return true;
  if (device === "onnx") return permitted({ name: "ffi", path: packages });
  if (device === "wasm") return permitted({ name: "read", path: packages });
  return permitted({ name: "read" }, { name: "ffi", path: packages }) && device === chosen();
}
