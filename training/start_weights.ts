/** `--start-from`: training that begins with the weights of a checkpoint. */
import { type UNetConfig, unetConfigToJson } from "../diffusion/unet_config.ts";
import { type JsonObject, sha256 } from "../engine/json.ts";
import { encodeSafetensors } from "../nn/safetensors.ts";
import type { HostParameters } from "../nn/parameters.ts";
import { checkConfig } from "./check_model.ts";
import { loadCheckpoint } from "./checkpoint.ts";
import { resolveCheckpoint } from "./checkpoint_folders.ts";
import type { DataOrigin } from "./run_record.ts";
import { loadUNet, toTensors } from "./unet_checkpoint.ts";

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
 * @param directory The folder of a checkpoint or of a run.
 * @param expected The network that is to be trained.
 * @throws {UserError} If it holds no such network: the message names the first setting that differs.
 */
export async function loadStartWeights(
  directory: string,
  expected: UNetConfig,
): Promise<StartWeights> {
  const found = await resolveCheckpoint(directory, (line) => console.error(line));
  const { config, parameters } = loadUNet(await loadCheckpoint(found, { state: false }));
  checkConfig(
    unetConfigToJson(config) as JsonObject,
    unetConfigToJson(expected) as JsonObject,
    `--start-from: ${found}/unet`,
  );
  const name = "starting weights";
  const hash = await sha256(encodeSafetensors(toTensors(parameters)));
  return { parameters, origin: { name, origin: directory, sha256: { "unet, float32": hash } } };
}
