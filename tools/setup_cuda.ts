/**
 * Sets up --device onnx-cuda: puts ONNX Runtime's CUDA provider next to npm:onnxruntime-node's
 * library, which has the same version. The provider comes from the wheel pinned in
 * tools/cuda/provider.txt, because the package's own install script needs a network beyond the
 * package registries.
 *
 *     deno task setup:cuda     # downloads 250 MB, needs 270 MB on disk
 *
 * CUDA 13 and cuDNN 9 must be installed where the system finds libraries.
 */
import { EXIT, usageError, UserError } from "../base/errors.ts";
import { runProgram } from "../cli/program.ts";
import { CUDA_PROVIDER, nativeFolder } from "../engine/onnx_library.ts";
import { installWheels } from "./pip_wheels.ts";

async function installProvider(folder: string): Promise<void> {
  const partial = `${folder}/provider.partial`;
  try {
    await installWheels("cuda/provider.txt", { target: partial, python: "3.12", glibc: ["2_28"] });
    for (const name of CUDA_PROVIDER) {
      await Deno.rename(`${partial}/onnxruntime/capi/${name}`, `${folder}/${name}`);
    }
  } finally {
    await Deno.remove(partial, { recursive: true }).catch(() => {});
  }
}

async function main(): Promise<number> {
  if (Deno.args.length > 0) {
    throw usageError(`${Deno.args[0]}: unknown; usage: deno task setup:cuda`);
  }
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
    throw new UserError("This sets up ONNX Runtime's CUDA provider on Linux x64 only.");
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
  return EXIT.done;
}

if (import.meta.main) await runProgram(main);
