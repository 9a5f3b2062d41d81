/** Finds out whether ONNX Runtime can compute on a GPU here. */
import { UserError } from "@nanodiffusion/base/errors";
import { fileExists } from "@nanodiffusion/base/files";
import { CUDA_PROVIDER, nativeFolder } from "../onnx_library.ts";
import { scalar } from "../tree.ts";
import { Graph } from "./graph.ts";
import { ELEMENT_TYPE } from "./proto.ts";
import { createSession } from "./session.ts";

/** Where advice is needed, the first line of ONNX Runtime's own words is kept short. */
const LONGEST_REASON = 200;

/**
 * Runs a tiny graph on the GPU.
 *
 * @throws {UserError} If there is none, or if ONNX Runtime's CUDA provider or what it needs is missing.
 */
export async function probeCuda(): Promise<void> {
  // ONNX Runtime would say so as well, and print it first.
  const folder = nativeFolder();
  for (const name of folder === undefined ? [] : CUDA_PROVIDER) {
    if (await fileExists(`${folder}/${name}`)) continue;
    throw new UserError("The onnx-cuda device is not set up: run deno task setup:cuda");
  }
  const graph = new Graph();
  const value = { name: "x", elementType: ELEMENT_TYPE.float32, shape: [] };
  const sum = graph.node("Add", ["x", "x"]);
  const model = graph.encode([value], [{ ...value, name: sum }]);
  try {
    const session = await createSession(model, { threads: 1, provider: "cuda" });
    await session.run([scalar(1)]);
    await session.dispose();
  } catch (cause) {
    const [why = ""] = (cause as Error).message.split("\n");
    throw new UserError(
      `The onnx-cuda device does not work here (${
        why.slice(0, LONGEST_REASON)
      }): it needs a GPU by ` +
        "NVIDIA, and CUDA 13 and cuDNN 9 where the system finds libraries (LD_LIBRARY_PATH).",
      { cause },
    );
  }
}
