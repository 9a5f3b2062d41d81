/** `--start-from`: training starts with the weights of a checkpoint. */
import { warn } from "../cli/output.ts";
import { ditConfigToJson, isDiffusersDit } from "../diffusion/networks/dit_config.ts";
import {
  type ImageNetworkConfig,
  isDit,
  networkSpecs,
} from "../diffusion/networks/image_network.ts";
import { unetConfigToJson } from "../diffusion/networks/unet_config.ts";
import type { JsonObject } from "../base/json.ts";
import type { HostParameters } from "../nn/parameters.ts";
import { checkSameModel } from "../training/checkpoint/check_model.ts";
import { loadCheckpoint } from "../training/checkpoint/checkpoint.ts";
import { resolveCheckpoint } from "../training/checkpoint/folders.ts";
import type { DataOrigin } from "../cli/run_record.ts";
import { loadImageModel } from "./checkpoint.ts";
import { weightsOrigin } from "../training/checkpoint/weights_identity.ts";

export interface StartWeights {
  readonly parameters: HostParameters;
  readonly origin: DataOrigin;
}

/**
 * Loads the weights of a checkpoint or of a run. The network must have the same configuration; schedule and
 * prediction type may differ, since training adapts the weights.
 *
 * @param directory The folder of a checkpoint or of a run; undefined for random weights.
 */
export async function loadStartWeights(
  directory: string | undefined,
  expected: ImageNetworkConfig,
): Promise<StartWeights | undefined> {
  if (directory === undefined) return undefined;
  const found = await resolveCheckpoint(directory, warn);
  const { config, parameters } = loadImageModel(await loadCheckpoint(found));
  const folder = isDit(config) ? "transformer" : "unet";
  checkSameModel(configJson(config), configJson(expected), `--start-from: ${found}/${folder}`);
  return {
    // If the blocks share an embedding, its other copies are left out.
    parameters: Object.fromEntries(
      Object.keys(networkSpecs(expected)).map((key) => [key, parameters[key]!]),
    ),
    origin: weightsOrigin("starting weights", directory, parameters, folder),
  };
}

/** A configuration as in its file, where a shared embedding of a DiT is written as separate copies. */
function configJson(config: ImageNetworkConfig): JsonObject {
  if (!isDit(config)) return unetConfigToJson(config) as JsonObject;
  const separate = isDiffusersDit({ ...config, sharedEmbedding: false })
    ? { ...config, sharedEmbedding: false }
    : config;
  return ditConfigToJson(separate) as JsonObject;
}
