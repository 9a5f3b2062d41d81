/** By which a model is known again, as it was trained or as it was published. */
import { sha256 } from "../../base/json.ts";
import { encodeFloat16 } from "../../nn/half.ts";
import type { HostParameters } from "../../nn/parameters.ts";
import { encodeSafetensors } from "../../nn/safetensors.ts";
import { toTensors } from "./state_tensors.ts";

/**
 * The SHA-256 of parameters' names and of their values in float16, in the order of the names: the same
 * for weights and for what a published file keeps of them.
 *
 * @returns Hexadecimal.
 */
export async function weightsHash(parameters: HostParameters): Promise<string> {
  const names = Object.keys(parameters).sort();
  const parts = names.map((name) => {
    const head = new TextEncoder().encode(`${name}\n`);
    const values = encodeFloat16(parameters[name]!.data as Float32Array);
    return [head, new Uint8Array(values.buffer, values.byteOffset, values.byteLength)] as const;
  }).flat();
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return await sha256(bytes);
}

/**
 * Weights by their hash: a run is repeated with the same or not at all.
 *
 * @param name What the record calls them.
 * @param origin Where they came from.
 * @param part Which part of what is there they are. @default {"all"}
 */
export async function weightsOrigin(
  name: string,
  origin: string,
  parameters: HostParameters,
  part = "all",
): Promise<{ name: string; origin: string; sha256: Record<string, string> }> {
  const hash = await sha256(encodeSafetensors(toTensors(parameters)));
  return { name, origin, sha256: { [`${part}, float32`]: hash } };
}
