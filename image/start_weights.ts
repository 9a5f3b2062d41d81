/** `--start-from`: training that begins with the weights of a checkpoint. */
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

/** Weights to begin with, and what the run's record says of them. */
export interface StartWeights {
  /** The parameters: of our checkpoints, the moving average. */
  readonly parameters: HostParameters;
  /** Where they came from, with their hash: a run is repeated with the same or not at all. */
  readonly origin: DataOrigin;
}

/**
 * Loads the weights of a checkpoint or of a run, for a network of the same configuration. Its schedule
 * and what it predicts may be others: training gets used to them.
 *
 * @param directory The folder of a checkpoint or of a run; undefined to start from random weights.
 * @param expected The network that is to be trained.
 * @throws {UserError} If it holds no such network: the message names the first setting that differs.
 */
export async function loadStartWeights(
  directory: string | undefined,
  expected: ImageNetworkConfig,
): Promise<StartWeights | undefined> {
  if (directory === undefined) return undefined;
  const found = await resolveCheckpoint(directory, (line) => console.error(line));
  const { config, parameters } = loadImageModel(await loadCheckpoint(found, { state: false }));
  const folder = isDit(config) ? "transformer" : "unet";
  checkSameModel(configJson(config), configJson(expected), `--start-from: ${found}/${folder}`);
  return {
    // Of equal copies of an embedding, one is enough where blocks share it.
    parameters: Object.fromEntries(
      Object.keys(networkSpecs(expected)).map((key) => [key, parameters[key]!]),
    ),
    origin: await weightsOrigin("starting weights", directory, parameters, folder),
  };
}

/** A configuration as its file has it; of a DiT with equal copies of a shared embedding. */
function configJson(config: ImageNetworkConfig): JsonObject {
  if (!isDit(config)) return unetConfigToJson(config) as JsonObject;
  const separate = isDiffusersDit({ ...config, sharedEmbedding: false })
    ? { ...config, sharedEmbedding: false }
    : config;
  return ditConfigToJson(separate) as JsonObject;
}
