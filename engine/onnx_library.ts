/** Loading npm:onnxruntime-node, or finding out why not. */
import { createRequire } from "node:module";
import { UserError } from "./errors.ts";
import { checkNativeFiles } from "./native_file.ts";

/** The package's native code on Linux, if the package's folder may be looked at. */
function nativeFiles(): string[] {
  if (Deno.build.os !== "linux") return [];
  try {
    const manifest = createRequire(import.meta.url).resolve("onnxruntime-node/package.json");
    const arch = Deno.build.arch === "x86_64" ? "x64" : "arm64";
    const folder = (manifest as string).replace(/package\.json$/, `bin/napi-v6/linux/${arch}`);
    return ["onnxruntime_binding.node", "libonnxruntime.so.1"].map((name) => `${folder}/${name}`);
  } catch {
    return []; // the import tells more
  }
}

/**
 * Loads ONNX Runtime's native code, so that it is found out before work was done if it is broken.
 *
 * @throws {UserError} If it cannot be loaded.
 */
export async function loadOnnxRuntime(): Promise<void> {
  try {
    checkNativeFiles(nativeFiles());
    await import("onnxruntime-node");
  } catch (cause) {
    const [why] = (cause as Error).message.split("\n");
    throw new UserError(
      `The onnx device does not work here (${why}): install the packages anew (remove node_modules, ` +
        "then run deno install), or try --device wasm.",
      { cause },
    );
  }
}
