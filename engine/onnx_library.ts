/** Loads npm:onnxruntime-node, and explains errors. */
import { createRequire } from "node:module";
import { UserError } from "@nanodiffusion/base/errors";
import { fileError } from "@nanodiffusion/base/file-errors";
import { checkNativeFiles, openFilesError } from "./native_code.ts";

/** The folder of the package's native code on Linux, if the package may be read. */
function nativeFolder(): string | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    const manifest = createRequire(import.meta.url).resolve("onnxruntime-node/package.json");
    const arch = Deno.build.arch === "x86_64" ? "x64" : "arm64";
    return (manifest as string).replace(/\/package\.json$/, `/bin/napi-v6/linux/${arch}`);
  } catch {
    return undefined; // the error of the import says more
  }
}

function nativeFiles(): string[] {
  const folder = nativeFolder();
  const names = ["onnxruntime_binding.node", "libonnxruntime.so.1"];
  return folder === undefined ? [] : names.map((name) => `${folder}/${name}`);
}

/**
 * The environment variable that switches ONNX Runtime's telemetry off. Otherwise version 1.30 writes an
 * identifier of the machine and a log of events to ~/.cache/Microsoft, and sends them. Native code is not
 * bound by Deno's permissions.
 */
export const ONNX_TELEMETRY = "ORT_DISABLE_TELEMETRY";

/**
 * Imports the package with its telemetry off, unless the user has set {@linkcode ONNX_TELEMETRY} or Deno has
 * no permission for that variable.
 */
export async function importOnnxRuntime(): Promise<typeof import("onnxruntime-node")> {
  const { state } = Deno.permissions.querySync({ name: "env", variable: ONNX_TELEMETRY });
  if (state === "granted" && Deno.env.get(ONNX_TELEMETRY) === undefined) {
    Deno.env.set(ONNX_TELEMETRY, "1");
  }
  return await import("onnxruntime-node");
}

/**
 * Loads ONNX Runtime's native code, so that a broken installation is reported before any work is done.
 *
 * @throws {UserError} If it cannot be loaded.
 */
export async function loadOnnxRuntime(): Promise<void> {
  try {
    checkNativeFiles(nativeFiles());
    await importOnnxRuntime();
  } catch (cause) {
    const [why] = (cause as Error).message.split("\n");
    if (cause instanceof Deno.errors.NotCapable) {
      throw new UserError(
        `The onnx device does not work here: Deno has no permission to load native code (${
          why!.split(",")[0]
        }): use a deno task, which grants it, or the wasm device, which needs none.`,
        { cause },
      );
    }
    const existing = import.meta.filename; // of this module, so it exists
    const tooMany = existing === undefined ? undefined : openFilesError(existing);
    if (tooMany !== undefined) throw fileError(tooMany, "load ONNX Runtime");
    throw new UserError(
      `The onnx device does not work here (${why}): install the packages anew (remove node_modules, ` +
        "then run deno install), or try the wasm device.",
      { cause },
    );
  }
}
