/**
 * Checkpoints of a GPT-2 that text.ts trains. The folder `language_model/` is in transformers' layout, for
 * `GPT2LMHeadModel.from_pretrained` and `AutoTokenizer.from_pretrained`.
 */
import { UserError } from "../../base/errors.ts";
import { type HostParameters, unravel } from "../../nn/parameters.ts";
import { type Gpt2Config, gpt2Specs } from "../../vae/gpt2.ts";
import { gpt2ConfigToJson } from "../../vae/config_json.ts";
import { loadGpt2, type ModelFiles } from "../../vae/pretrained.ts";
import type { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";
import { loadTokenizer } from "../../vae/tokenizer/files.ts";
import type { RunState } from "../autoencoder/checkpoint.ts";
import type { Checkpoint } from "../../training/checkpoint/checkpoint.ts";
import { stateTensors, toTensors } from "../../training/checkpoint/state_tensors.ts";

export interface LanguageModel {
  readonly config: Gpt2Config;
  readonly parameters: HostParameters;
  readonly tokenizer: TextTokenizer;
}

export function languageCheckpoint(
  { config, tokenizer, state, ...run }: Omit<LanguageModel, "parameters"> & RunState,
): Checkpoint & Required<Pick<Checkpoint, "state">> {
  return {
    modelIndex: {
      _class_name: "LanguageModel",
      language_model: ["transformers", "GPT2LMHeadModel"],
    },
    components: {
      language_model: {
        config: gpt2ConfigToJson(config, { endId: tokenizer.id("eos") }),
        weightsName: "model.safetensors",
        weights: toTensors(unravel(state.ema, gpt2Specs(config))),
        files: new Map(tokenizer.files()),
      },
    },
    state: { ...run, vectors: stateTensors(state) },
  };
}

/** Loads a GPT-2 and its tokenizer from transformers' files. */
export async function loadLanguageModel(files: ModelFiles): Promise<LanguageModel> {
  const tokenizer = await loadTokenizer(files.name, { read: files.read, needs: ["eos"] });
  const model = await loadGpt2(files);
  if (tokenizer.vocabSize > model.config.vocabSize) {
    throw new UserError(
      `${files.name}: the tokenizer has ${tokenizer.vocabSize} tokens and the model ` +
        `${model.config.vocabSize}: they belong to different models`,
    );
  }
  return { ...model, tokenizer };
}
