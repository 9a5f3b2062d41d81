/**
 * Checkpoints of masked diffusion. `denoiser/` opens in transformers as a BertForMaskedLM; the tables of
 * groups of positions, which are only in the training state, are part of its position embeddings.
 */
import { fileExists } from "../../base/files.ts";
import { UserError } from "../../base/errors.ts";
import { checkParameters, type HostParameters, unravel } from "../../nn/parameters.ts";
import { requireComponent } from "../../training/checkpoint/check_model.ts";
import {
  type Checkpoint,
  loadCheckpoint,
  type LoadedCheckpoint,
} from "../../training/checkpoint/checkpoint.ts";
import { resolveCheckpoint } from "../../training/checkpoint/folders.ts";
import { stateTensors, toParameters, toTensors } from "../../training/checkpoint/state_tensors.ts";
import type { BertConfig } from "../../vae/bert.ts";
import { bertConfigFromJson, bertConfigToJson } from "../../vae/config_json.ts";
import type { RunState } from "../autoencoder/checkpoint.ts";
import { foldPositionGroups, maskedBertSpecs, maskedTrainingSpecs } from "./network.ts";
import type { MaskedTask } from "./task.ts";

export interface MaskedModel {
  readonly config: BertConfig;
  readonly parameters: HostParameters; // as maskedBertSpecs names them
}

const HEAD = "cls.";

/** A checkpoint whose weights are the moving average. */
export function maskedCheckpoint(
  { config, task: { groups, maskId }, state, ...run }:
    & RunState
    & { readonly config: BertConfig; readonly task: Pick<MaskedTask, "groups" | "maskId"> },
): Checkpoint & Required<Pick<Checkpoint, "state">> {
  const trained = unravel(state.ema, maskedTrainingSpecs(config, groups));
  const named = Object.entries(foldPositionGroups(trained, groups))
    .map(([name, value]) => [name.startsWith(HEAD) ? name : `bert.${name}`, value] as const);
  return {
    modelIndex: {
      _class_name: "MaskedDiffusion",
      denoiser: ["transformers", "BertForMaskedLM"],
    },
    components: {
      denoiser: {
        config: {
          ...bertConfigToJson(config, { architecture: "BertForMaskedLM" }),
          mask_token_id: maskId,
        },
        weightsName: "model.safetensors",
        weights: toTensors(Object.fromEntries(named)),
      },
    },
    state: { ...run, vectors: stateTensors(state) },
  };
}

/**
 * Opens the model of a run or of a checkpoint.
 *
 * @throws {UserError} If there is none, it is damaged, or it is not of the task's size.
 */
export async function openMaskedModel(
  path: string,
  task: Pick<MaskedTask, "name" | "vocabSize" | "length">,
  warn: (line: string) => void = () => {},
): Promise<MaskedModel> {
  const directory = await resolveCheckpoint(path, warn);
  if (!await fileExists(`${directory}/model_index.json`)) {
    throw new UserError(`there is no model in ${directory}`);
  }
  return loadMaskedModel(await loadCheckpoint(directory), task);
}

/** The model of a checkpoint. @throws {UserError} As {@linkcode openMaskedModel}. */
export function loadMaskedModel(
  checkpoint: LoadedCheckpoint,
  task: Pick<MaskedTask, "name" | "vocabSize" | "length">,
): MaskedModel {
  const { config: json, weights = new Map() } = requireComponent(checkpoint, "denoiser");
  const source = `${checkpoint.directory}/denoiser`;
  const config = bertConfigFromJson(json, `${source}/config.json`);
  if (config.vocabSize !== task.vocabSize || config.maxPositionEmbeddings !== task.length) {
    throw new UserError(
      `${source} has ${config.vocabSize} tokens and ${config.maxPositionEmbeddings} positions, and ` +
        `${task.name} has ${task.vocabSize} and ${task.length}: it is of another data set`,
    );
  }
  const parameters = Object.fromEntries(
    Object.entries(toParameters(weights))
      .map(([name, value]) => [name.replace(/^bert\./, ""), value]),
  );
  const specs = maskedBertSpecs(config);
  checkParameters(parameters, specs, source);
  return { config, parameters };
}
