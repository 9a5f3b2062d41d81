/** Finds out how ONNX Runtime lays out images on this processor. */
import { float32 } from "../tree.ts";
import { Graph } from "./graph.ts";
import { ELEMENT_TYPE } from "./proto.ts";
import { createSession } from "./session.ts";

/**
 * The block size of ONNX Runtime's NCHWc layout here: 16 with AVX-512, 8 with AVX2, 0 where there is no
 * such layout. A tiny graph tells: it reorders numbers that are their own positions, and the place of
 * the second pixel's first channel gives the block size away.
 */
export async function probeBlockSize(): Promise<number> {
  const channels = 64;
  const graph = new Graph();
  const input = { name: "x", elementType: ELEMENT_TYPE.float32, shape: [1, channels, 1, 2] };
  const reordered = graph.node("ReorderInput", ["x"], {
    domain: "com.microsoft.nchwc",
    attributes: { channels_last: 0 },
  });
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
