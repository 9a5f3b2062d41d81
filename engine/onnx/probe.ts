/** Runs tiny graphs to find out what ONNX Runtime can do on this machine. */
import { UserError } from "@nanodiffusion/base/errors";
import { fileExists } from "@nanodiffusion/base/files";
import { CUDA_PROVIDER, nativeFolder } from "../onnx_library.ts";
import { float32, scalar } from "../tree.ts";
import { Graph, NCHWC } from "./graph.ts";
import { ELEMENT_TYPE } from "./proto.ts";
import { createSession } from "./session.ts";

/**
 * The block size of ONNX Runtime's NCHWc layout: 16 with AVX-512, 8 with AVX2, 0 if the processor has no such
 * layout. The graph reorders numbers that are equal to their positions. The new position of the second
 * pixel's first channel is the block size.
 */
export async function probeBlockSize(): Promise<number> {
  const channels = 64;
  const graph = new Graph();
  const input = { name: "x", elementType: ELEMENT_TYPE.float32, shape: [1, channels, 1, 2] };
  const reordered = graph.node("ReorderInput", ["x"], { channels_last: 0 }, NCHWC);
  const flat = graph.node("Reshape", [reordered, graph.int64s([2 * channels])]);
  const model = graph.encode([input], [{ ...input, name: flat, shape: [2 * channels] }]);
  let session;
  try {
    session = await createSession(model, { threads: 1 });
  } catch {
    return 0;
  }
  // Channel c of pixel w is number 2c + w, so 1 is the second pixel's first channel.
  const positions = Float32Array.from({ length: 2 * channels }, (_, i) => i);
  const [result] = await session.run([float32(positions, input.shape)]);
  await session.dispose();
  const block = result!.data.indexOf(1);
  return channels % block === 0 ? block : 0;
}

/** Characters of ONNX Runtime's own message that an error contains at most. */
const LONGEST_REASON = 200;

/**
 * Runs a graph on the GPU.
 *
 * @throws {UserError} If there is no GPU, or if ONNX Runtime's CUDA provider or a library is missing.
 */
export async function probeCuda(): Promise<void> {
  // Checked first, because ONNX Runtime would print an error before it throws one.
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
      `The onnx-cuda device does not work here (${why.slice(0, LONGEST_REASON)}): it needs an ` +
        "NVIDIA GPU, and CUDA 13 and cuDNN 9 where the system finds libraries (LD_LIBRARY_PATH).",
      { cause },
    );
  }
}
