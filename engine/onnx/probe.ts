/** Runs a tiny graph to find out what ONNX Runtime can do on this machine. */
import { float32 } from "../tree.ts";
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
