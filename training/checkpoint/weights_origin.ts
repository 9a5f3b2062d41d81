/** What a run's record says of weights that its training began with. */
import { sha256 } from "../../base/json.ts";
import type { HostParameters } from "../../nn/parameters.ts";
import { encodeSafetensors } from "../../nn/safetensors.ts";
import type { DataOrigin } from "../../cli/run_record.ts";
import { toTensors } from "./state_tensors.ts";

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
): Promise<DataOrigin> {
  const hash = await sha256(encodeSafetensors(toTensors(parameters)));
  return { name, origin, sha256: { [`${part}, float32`]: hash } };
}
