/** The files of the classifier: config.json and model.safetensors. */
import { UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import { makeFolder, writeFileAtomic } from "../../base/files.ts";
import { type JsonObject, type JsonValue, parseJsonObject } from "../../base/json.ts";
import { quote } from "../../base/quote.ts";
import { float32 } from "../../engine/tree.ts";
import { decodeFloat16, encodeFloat16 } from "../../nn/half.ts";
import { floatValues, type HostTensor } from "../../nn/host_tensor.ts";
import { checkParameters, type HostParameters } from "../../nn/parameters.ts";
import { readSafetensors, writeSafetensors } from "../../nn/safetensors.ts";
import { type ClassifierConfig, classifierSpecs } from "./network.ts";

/** A classifier of images. */
export interface Classifier {
  /** The sizes. */
  readonly config: ClassifierConfig;
  /** The weights. */
  readonly parameters: HostParameters;
}

/** The folder of the released classifier. */
const RELEASED = decodeURIComponent(
  new URL("../../checkpoints/fashion-mnist-classifier", import.meta.url).pathname,
);

const CONFIG_NAME = "config.json";
const WEIGHTS_NAME = "model.safetensors";
const CLASS_NAME = "FashionMnistClassifier";

function configFromJson(json: JsonObject, source: string): ClassifierConfig {
  if (json["_class_name"] !== CLASS_NAME) {
    throw new UserError(
      `${source} is of another model: _class_name is ${quote(json["_class_name"])}, expected ` +
        quote(CLASS_NAME),
    );
  }
  const size = (name: string, value = json[name]) => {
    if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
    throw new UserError(`${source}: ${name} is ${quote(value)}, but must be a positive integer`);
  };
  const { channels } = json;
  if (!Array.isArray(channels) || channels.length === 0) {
    throw new UserError(
      `${source}: channels is ${quote(channels)}, but must be a list of integers`,
    );
  }
  const config = {
    channels: channels.map((value: JsonValue, i) => size(`channels[${i}]`, value)),
    normNumGroups: size("norm_num_groups"),
    features: size("features"),
    classes: size("classes"),
  };
  const odd = config.channels.find((count) => count % config.normNumGroups !== 0);
  if (odd !== undefined) {
    throw new UserError(
      `${source}: norm_num_groups is ${config.normNumGroups}, which does not divide ${odd} channels`,
    );
  }
  return config;
}

/** Rounds weights to float16, as in a saved file. */
export function roundToHalf(parameters: HostParameters): HostParameters {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, { data, shape }]) => [
      name,
      float32(decodeFloat16(encodeFloat16(data as Float32Array)), shape),
    ]),
  );
}

/** Writes a classifier with its weights in float16; makes the folder if it does not exist. */
export async function saveClassifier(
  directory: string,
  { config, parameters }: Classifier,
): Promise<void> {
  await makeFolder(directory);
  const { channels, normNumGroups, features, classes } = config;
  const json = JSON.stringify(
    { _class_name: CLASS_NAME, channels, norm_num_groups: normNumGroups, features, classes },
    null,
    2,
  );
  await writeFileAtomic(`${directory}/${CONFIG_NAME}`, `${json}\n`);
  const tensors = Object.entries(parameters).map(
    ([name, { data, shape }]): [string, HostTensor] => [
      name,
      { dtype: "F16", shape, data: data as Float32Array },
    ],
  );
  await writeSafetensors(`${directory}/${WEIGHTS_NAME}`, new Map(tensors), {
    metadata: { format: "pt", weights: "ema" },
  });
}

/**
 * Loads a classifier: by default the released one, which all figures are measured with.
 *
 * @throws {UserError} If a file is missing or unsound.
 */
export async function loadClassifier(directory: string = RELEASED): Promise<Classifier> {
  const path = `${directory}/${CONFIG_NAME}`;
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw fileError(error, `read the classifier's ${path}`);
  }
  const config = configFromJson(parseJsonObject(text, path), path);
  const weightsPath = `${directory}/${WEIGHTS_NAME}`;
  const { tensors } = await readSafetensors(weightsPath);
  const parameters = Object.fromEntries(
    [...tensors].map(([name, tensor]) => [name, float32(floatValues(tensor), tensor.shape)]),
  );
  checkParameters(parameters, classifierSpecs(config), weightsPath);
  return { config, parameters };
}
