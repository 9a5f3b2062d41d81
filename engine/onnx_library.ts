/** Loading npm:onnxruntime-node, or finding out why not. */
import { createRequire } from "node:module";
import { UserError } from "@nanodiffusion/base/errors";
import { fileError } from "@nanodiffusion/base/file-errors";
import { checkNativeFiles, openFilesError } from "./native_file.ts";

/** ONNX Runtime's code for GPUs, which lies beside its code for processors if it was asked for. */
export const CUDA_PROVIDER = [
  "libonnxruntime_providers_shared.so",
  "libonnxruntime_providers_cuda.so",
] as const;

/** The folder of the package's native code on Linux, if the package may be looked at. */
export function nativeFolder(): string | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    const manifest = createRequire(import.meta.url).resolve("onnxruntime-node/package.json");
    const arch = Deno.build.arch === "x86_64" ? "x64" : "arm64";
    return (manifest as string).replace(/\/package\.json$/, `/bin/napi-v6/linux/${arch}`);
  } catch {
    return undefined; // the import tells more
  }
}

function nativeFiles(): string[] {
  const folder = nativeFolder();
  const names = ["onnxruntime_binding.node", "libonnxruntime.so.1"];
  return folder === undefined ? [] : names.map((name) => `${folder}/${name}`);
}

/**
 * The variable that keeps ONNX Runtime 1.30 from writing a device's identifier and a log of events into
 * ~/.cache/Microsoft, and from sending them: its native code does so whatever Deno's permissions say.
 */
export const ONNX_TELEMETRY = "ORT_DISABLE_TELEMETRY";

/**
 * The package, its telemetry switched off, unless the user has set {@linkcode ONNX_TELEMETRY} or Deno
 * has no permission for that variable.
 */
export async function importOnnxRuntime(): Promise<typeof import("onnxruntime-node")> {
  const { state } = Deno.permissions.querySync({ name: "env", variable: ONNX_TELEMETRY });
  if (state === "granted" && Deno.env.get(ONNX_TELEMETRY) === undefined) {
    Deno.env.set(ONNX_TELEMETRY, "1");
  }
  return await import("onnxruntime-node");
}

/**
 * Loads ONNX Runtime's native code, so that it is found out before work was done if it is broken.
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
        `The onnx device does not work here: Deno holds no permission to load native code (${
          why!.split(",")[0]
        }): use a deno task, which grants it, or --device wasm, which needs none.`,
        { cause },
      );
    }
    const own = import.meta.filename; // a file that is there whatever else is not
    const tooMany = own === undefined ? undefined : openFilesError(own);
    if (tooMany !== undefined) throw fileError(tooMany, "load ONNX Runtime");
    throw new UserError(
      `The onnx device does not work here (${why}): install the packages anew (remove node_modules, ` +
        "then run deno install), or try --device wasm.",
      { cause },
    );
  }
}
