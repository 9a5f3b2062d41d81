/**
 * Makes --device onnx-cuda available: puts ONNX Runtime's CUDA provider, out of the wheel pinned in
 * tools/cuda/provider.txt, beside npm:onnxruntime-node's library, which is of the same version. That
 * package's own install script would download it from a place beyond the package registries.
 *
 *     deno task setup:cuda     # 250 MB to download, 270 MB on disk
 *
 * CUDA 13 and cuDNN 9 are not part of it: they must be where the system finds libraries.
 */
import { EXIT, usageError, UserError } from "../base/errors.ts";
import { CUDA_PROVIDER, nativeFolder } from "../engine/onnx_library.ts";
import { installWheels } from "./pip_wheels.ts";
import { runProgram } from "../cli/program.ts";

/** Downloads the wheel, checked by hash, and puts its provider into `folder`. */
async function installProvider(folder: string): Promise<void> {
  const partial = `${folder}/provider.partial`;
  const list = decodeURIComponent(new URL("cuda/provider.txt", import.meta.url).pathname);
  const success = await installWheels(list, {
    ...{ target: partial, python: "3.12", glibc: ["2_28"] },
  });
  try {
    if (!success) {
      throw new UserError(
        `The package of ${list} could not be had: see above; Python with pip is needed ` +
          "(on Debian: apt-get install python3-pip). Nothing was changed.",
      );
    }
    for (const name of CUDA_PROVIDER) {
      await Deno.rename(`${partial}/onnxruntime/capi/${name}`, `${folder}/${name}`);
    }
  } finally {
    await Deno.remove(partial, { recursive: true }).catch(() => {});
  }
}

async function main(): Promise<void> {
  if (Deno.args.length > 0) {
    throw usageError(`${Deno.args[0]}: unknown; usage: deno task setup:cuda`);
  }
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
    throw new UserError("ONNX Runtime's CUDA provider is set up here for Linux x64 alone.");
  }
  const folder = nativeFolder();
  if (folder === undefined) {
    throw new UserError(
      "npm:onnxruntime-node is not installed, or may not be read: run deno install, then this as a " +
        "deno task.",
    );
  }
  await installProvider(folder);
  console.log("ready: --device onnx-cuda; deno task devices tries it");
}

if (import.meta.main) {
  await runProgram(async () => {
    await main();
    return EXIT.done;
  });
}
