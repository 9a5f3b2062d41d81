/** Interpolation between the latents of two texts. */
import { float32, type HostArray } from "../../engine/tree.ts";
import type { TextCodec } from "../../vae/text_codec.ts";

/** Latents [steps][k d] at equidistant points of the line between two texts' latents [k d], ends included. */
export function latentsBetween(
  from: Float32Array,
  to: Float32Array,
  steps: number,
): Float32Array[] {
  return Array.from({ length: steps }, (_, i) => {
    const share = i / (steps - 1);
    return from.map((value, j) => (1 - share) * value + share * to[j]!);
  });
}

/** Decodes latents, each [k d], in batches of one size, so that one graph is enough. */
export async function decodeAll(
  codec: TextCodec,
  latents: readonly Float32Array[],
  shape: readonly [number, number],
  batchSize: number,
): Promise<Int32Array[]> {
  const size = shape[0] * shape[1];
  const texts: Int32Array[] = [];
  for (let start = 0; start < latents.length; start += batchSize) {
    const data = new Float32Array(batchSize * size);
    const rows = latents.slice(start, start + batchSize);
    rows.forEach((row, i) => data.set(row, i * size));
    const batch: HostArray = float32(data, [batchSize, ...shape]);
    texts.push(...(await codec.decode(batch)).slice(0, rows.length));
  }
  return texts;
}
