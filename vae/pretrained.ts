/** Reads BERT and GPT-2 with published weights from transformers' files. */
import { UserError } from "../base/errors.ts";
import type { FileReader } from "../base/files.ts";
import { parseJsonObject } from "../base/json.ts";
import { float32 } from "../engine/tree.ts";
import type { HostTensor } from "../nn/host_tensor.ts";
import { checkParameters, type HostParameters, type ParameterSpecs } from "../nn/parameters.ts";
import { decodeSafetensors } from "../nn/safetensors.ts";
import { readShards } from "../nn/shards.ts";
import { type BertConfig, bertEncoderSpecs } from "./bert.ts";
import { bertConfigFromJson, gpt2ConfigFromJson } from "./config_json.ts";
import { type MaskedLmParameters, maskedLmSpecs } from "./bert_masked_lm.ts";
import { type Gpt2Config, gpt2Specs } from "./gpt2.ts";

/** The files of a model, such as `openModelFiles` of datasets/download/hub.ts finds. */
export interface ModelFiles {
  /** The model's name in messages and records. */
  readonly name: string;
  /** Reads a file. */
  readonly read: FileReader;
}

/**
 * All tensors of a model: those of model.safetensors, or of the files that model.safetensors.index.json
 * names. 16-bit floats become 32-bit floats.
 */
export async function readModelTensors(files: ModelFiles): Promise<HostParameters> {
  const { name, read } = files;
  const single = await read("model.safetensors");
  if (single !== undefined) {
    return toParameters(decodeSafetensors(single, `${name}/model.safetensors`).tensors);
  }
  const indexName = "model.safetensors.index.json";
  const index = await read(indexName);
  if (index === undefined) {
    throw new UserError(
      `${name} has no model.safetensors: save the model as safetensors (save_pretrained does)`,
    );
  }
  return toParameters(await readShards(index, indexName, files));
}

function toParameters(tensors: ReadonlyMap<string, HostTensor>): HostParameters {
  const widened = (data: HostTensor["data"]) =>
    data instanceof Float32Array ? data : Float32Array.from(data, Number);
  return Object.fromEntries(
    [...tensors].map(([key, { data, shape }]) => [key, float32(widened(data), shape)]),
  );
}

async function configOf({ name, read }: ModelFiles) {
  const bytes = await read("config.json");
  if (bytes === undefined) throw new UserError(`${name} has no config.json: it is not a model`);
  const source = `${name}/config.json`;
  return { json: parseJsonObject(new TextDecoder().decode(bytes), source), source };
}

/** The tensors that `specs` names, checked. Others belong to heads that are not used. */
function pick(all: HostParameters, specs: ParameterSpecs, name: string): HostParameters {
  const picked = Object.fromEntries(
    Object.keys(specs).filter((key) => key in all).map((key) => [key, all[key]!]),
  );
  checkParameters(picked, specs, name);
  return picked;
}

/** A BERT from files. */
export interface PretrainedBert {
  /** Its sizes. */
  readonly config: BertConfig;
  /** The encoder, as {@linkcode bertEncoderSpecs} names it. */
  readonly parameters: HostParameters;
  /** The head that was trained to predict masked tokens, if the files have one. */
  readonly head: MaskedLmParameters | undefined;
}

/**
 * Loads a BERT with the names of BertModel, or of a model with a head, whose encoder is under `bert.`.
 * TensorFlow's names for scale and shift, gamma and beta, are read as well.
 *
 * @throws {UserError} If files are missing or damaged, or a tensor does not fit.
 */
export async function loadBert(files: ModelFiles): Promise<PretrainedBert> {
  const { json, source } = await configOf(files);
  const config = bertConfigFromJson(json, source);
  const all = Object.fromEntries(
    Object.entries(await readModelTensors(files)).map(([key, tensor]) => [
      key.replace(/^bert\./, "").replace(/LayerNorm\.gamma$/, "LayerNorm.weight")
        .replace(/LayerNorm\.beta$/, "LayerNorm.bias"),
      tensor,
    ]),
  );
  const hasHead = all["cls.predictions.transform.dense.weight"] !== undefined;
  return {
    config,
    parameters: pick(all, bertEncoderSpecs(config), files.name),
    head: hasHead ? pick(all, maskedLmSpecs(config), files.name) : undefined,
  };
}

/**
 * Loads a GPT-2 with the names of GPT2LMHeadModel, or of GPT2Model, which lack `transformer.`.
 *
 * @throws {UserError} If files are missing or damaged, or a tensor does not fit. The message names it.
 */
export async function loadGpt2(
  files: ModelFiles,
): Promise<{ readonly config: Gpt2Config; readonly parameters: HostParameters }> {
  const { json, source } = await configOf(files);
  const config = gpt2ConfigFromJson(json, source);
  const all = Object.fromEntries(
    Object.entries(await readModelTensors(files)).map(([key, tensor]) => [
      /^(transformer|lm_head)\./.test(key) ? key : `transformer.${key}`,
      tensor,
    ]),
  );
  return { config, parameters: pick(all, gpt2Specs(config), files.name) };
}
