/** A content hash of weights: the same for float32 weights and for their published float16 version. */
import { sha256OfParts } from "../../base/json.ts";
import { encodeFloat16 } from "../../nn/half.ts";
import type { HostParameters } from "../../nn/parameters.ts";

/** The SHA-256 of the names of parameters and of their values in float16, in the order of the names. */
export function weightsHash(parameters: HostParameters): string {
  return sha256OfParts(bytesOf(parameters));
}

/** One parameter after the other, so that only one is in memory twice. */
function* bytesOf(parameters: HostParameters): Generator<Uint8Array> {
  for (const name of Object.keys(parameters).sort()) {
    const { buffer, byteOffset, byteLength } = encodeFloat16(
      parameters[name]!.data as Float32Array,
    );
    yield new TextEncoder().encode(`${name}\n`);
    yield new Uint8Array(buffer, byteOffset, byteLength);
  }
}

/**
 * The record of initial weights, which are a part of what was loaded from the origin. A run can only be
 * replayed with the same weights.
 */
export function weightsOrigin(
  name: string,
  origin: string,
  parameters: HostParameters,
  part = "all",
): { name: string; origin: string; sha256: Record<string, string> } {
  return { name, origin, sha256: { [part]: weightsHash(parameters) } };
}
