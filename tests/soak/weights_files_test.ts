/** Readers of weights: safetensors, and models in one file or several. */
import { assert } from "@std/assert";
import type { HostTensor } from "../../nn/host_tensor.ts";
import { initParameters, type ParameterSpecs } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { decodeSafetensors, encodeSafetensors } from "../../nn/safetensors.ts";
import { toTensors } from "../../training/checkpoint/state_tensors.ts";
import { type BertConfig, bertSpecs } from "../../vae/bert.ts";
import { bertConfigToJson, gpt2ConfigToJson } from "../../vae/config_json.ts";
import { type Gpt2Config, gpt2Specs } from "../../vae/gpt2.ts";
import { loadBert, loadGpt2, readModelTensors } from "../../vae/pretrained.ts";
import { type Dice, mutateBytes, mutateJson } from "./mutate.ts";
import { survives } from "./survive.ts";

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

const TENSORS = new Map<string, HostTensor>([
  ["weight", { dtype: "F32", shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
  ["half", { dtype: "F16", shape: [4], data: Float32Array.of(1, 2, 3, 4) }],
  ["ids", { dtype: "I64", shape: [2], data: BigInt64Array.of(1n, -1n) }],
  ["flags", { dtype: "BOOL", shape: [3], data: Uint8Array.of(0, 1, 1) }],
  ["none", { dtype: "F64", shape: [0, 7], data: new Float64Array() }],
]);
const FILE = encodeSafetensors(TENSORS, { metadata: { format: "pt" } });

/** A file whose header is changed as JSON and has the right length again; or any of its bytes. */
function tensorFile(file: Uint8Array<ArrayBuffer>, dice: Dice): Uint8Array<ArrayBuffer> {
  if (dice.below(2) === 0) return mutateBytes(file, dice);
  const end = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, end)));
  const changed = mutateJson(header, dice);
  const whole = new Uint8Array(8 + changed.length + file.length - end);
  new DataView(whole.buffer).setBigUint64(0, BigInt(changed.length), true);
  whole.set(changed, 8);
  whole.set(file.subarray(end), 8 + changed.length);
  return whole;
}

survives({
  name: "decodeSafetensors()",
  input: (dice) => tensorFile(FILE, dice),
  read: (bytes) => {
    const { tensors, metadata } = decodeSafetensors(bytes, "a.safetensors");
    const held = [...tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
    assert(held <= 2 * bytes.length, "more bytes than the file has, twice for 16-bit floats");
    return { tensors, metadata };
  },
  names: /^a\.safetensors is not a valid safetensors file: /,
  anyNumber: true,
});

const BERT: BertConfig = {
  ...{
    vocabSize: 11,
    hiddenSize: 4,
    numHiddenLayers: 1,
    numAttentionHeads: 2,
    intermediateSize: 6,
  },
  ...{ maxPositionEmbeddings: 5, typeVocabSize: 1, layerNormEps: 1e-12, initializerRange: 0.2 },
};
const GPT2: Gpt2Config = {
  ...{ vocabSize: 11, nPositions: 5, nEmbd: 4, nLayer: 1, nHead: 2, layerNormEpsilon: 1e-5 },
  initializerRange: 0.2,
};

function weightsOf(specs: ParameterSpecs): Map<string, HostTensor> {
  return new Map(toTensors(initParameters(specs, randomStream(1))));
}

type Files = Record<string, Uint8Array<ArrayBuffer>>;

/** A model in two files and their index. */
function sharded(config: unknown, weights: ReadonlyMap<string, HostTensor>): Files {
  const names = [...weights.keys()];
  const shards = [names.slice(0, 5), names.slice(5)];
  const nameOf = (i: number) => `model-0000${i + 1}-of-00002.safetensors`;
  const index = {
    metadata: { total_size: 1000 },
    weight_map: Object.fromEntries(
      shards.flatMap((keys, i) => keys.map((key) => [key, nameOf(i)])),
    ),
  };
  return {
    "config.json": encode(config),
    "model.safetensors.index.json": encode(index),
    ...Object.fromEntries(
      shards.map((keys, i) => [
        nameOf(i),
        encodeSafetensors(new Map(keys.map((key) => [key, weights.get(key)!]))),
      ]),
    ),
  };
}

/** A model's files, of which one is changed; the name of any that is read must be one beside it. */
function modelFiles(files: Files, which: readonly string[], dice: Dice): Files {
  const name = dice.pick(which);
  const bytes = files[name]!;
  const changed = name.endsWith(".json")
    ? mutateJson(JSON.parse(new TextDecoder().decode(bytes)), dice)
    : tensorFile(bytes, dice);
  return { ...files, [name]: changed };
}

function reader(files: Files) {
  return {
    name: "a/model",
    read: (name: string) => {
      assert(/^[\w.-]+$/.test(name) && !name.includes(".."), `read ${JSON.stringify(name)}`);
      return Promise.resolve(Object.hasOwn(files, name) ? files[name] : undefined);
    },
  };
}

const SHARDED_BERT = sharded(bertConfigToJson(BERT), weightsOf(bertSpecs(BERT)));
const SHARDED_GPT2 = sharded(gpt2ConfigToJson(GPT2), weightsOf(gpt2Specs(GPT2)));

survives({
  name: "readModelTensors()",
  input: (dice) => modelFiles(SHARDED_GPT2, ["model.safetensors.index.json"], dice),
  read: (files) => readModelTensors(reader(files)),
  names: /^a\/model/,
});

survives({
  name: "loadBert()",
  input: (dice) => modelFiles(SHARDED_BERT, Object.keys(SHARDED_BERT), dice),
  read: (files) => loadBert(reader(files)),
  names: /^a\/model/,
});

survives({
  name: "loadGpt2()",
  input: (dice) => modelFiles(SHARDED_GPT2, Object.keys(SHARDED_GPT2), dice),
  read: (files) => loadGpt2(reader(files)),
  names: /^a\/model/,
});
