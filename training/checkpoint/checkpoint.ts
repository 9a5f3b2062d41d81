/**
 * Checkpoints: folders in the layout of diffusers' pipelines, which Python can open
 * (`DDPMPipeline.from_pretrained(folder)`), plus the training state:
 *
 *     step-000123/
 *       model_index.json                     the library and the class of each folder
 *       README.md                            the model card, if there is one
 *       unet/config.json                     one folder per component
 *       unet/diffusion_pytorch_model.safetensors
 *       scheduler/scheduler_config.json      a component without weights
 *       training_state.json                  step, seed, hash of the run's configuration
 *       training_state.safetensors           raw weights, optimizer moments, averages
 *       manifest.json                        size and SHA-256 of every file above
 *
 * Random numbers need no state besides the step: see nn/random.ts.
 */
import { UserError } from "../../base/errors.ts";
import { isJsonObject, type JsonObject, parseJsonObject, sha256OfParts } from "../../base/json.ts";
import { quote } from "../../base/quote.ts";
import type { NamedTensors } from "../../nn/host_tensor.ts";
import { decodeSafetensors, safetensorsParts } from "../../nn/safetensors.ts";
import { listCheckpointFiles, pickConfigFile, pickWeightsFile } from "./files.ts";
import { type FolderFile, sizeOf, writeFolderAtomic } from "../../base/files.ts";
import {
  formatManifest,
  isSafePath,
  type Manifest,
  MANIFEST_NAME,
  type ManifestEntry,
  readManifest,
  readVerified,
} from "./manifest.ts";

/** A part of a model in a folder of its own: a denoiser, an encoder, a scheduler. */
export interface Component {
  /** The configuration, as the library of the component writes it. */
  readonly config: JsonObject;
  /** The configuration's file name. @default "config.json" */
  readonly configName?: string;
  /** The tensors by their standard names. A scheduler has none. */
  readonly weights?: NamedTensors;
  /**
   * The file name of the weights; `model.safetensors` for models of transformers.
   * @default "diffusion_pytorch_model.safetensors"
   */
  readonly weightsName?: string;
  /** Strings for the header of the weights, such as `weights: "ema"`; `format: "pt"` is added. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Further files by name, such as tokenizer.json. */
  readonly files?: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/** The state that training needs to continue, besides the components. */
export interface TrainingState {
  /** Steps done so far, which is also the position of all random streams. */
  readonly step: number;
  /** The run's seed. */
  readonly seed: number;
  /** The hash of the run's configuration: see run_record.ts. */
  readonly configHash: string;
  /** Further values to keep. @default {{}} */
  readonly details?: JsonObject;
  /** Raw weights, averages and optimizer moments by name. */
  readonly vectors: NamedTensors;
}

/** The content of a checkpoint. */
export interface Checkpoint {
  /** model_index.json of diffusers: `_class_name`, and the library and class of each folder. */
  readonly modelIndex: JsonObject;
  /** The components by folder. */
  readonly components: Readonly<Record<string, Component>>;
  /** The training state; checkpoints that are only for sampling have none. */
  readonly state?: TrainingState;
  /** The model card, in Markdown, saved as README.md. */
  readonly card?: string;
}

/** A checkpoint that was read from disk. */
export interface LoadedCheckpoint extends Checkpoint {
  /** The folder it was read from. */
  readonly directory: string;
  /** Whether the files were checked against a manifest. Checkpoints of other programs have none. */
  readonly verified: boolean;
}

/**
 * Writes a checkpoint into a folder, completely or not at all. Equal checkpoints give equal files.
 * `saveCheckpoint` of folders.ts writes a checkpoint of a run.
 *
 * @throws {UserError} If it cannot be written; names the file and the remedy.
 */
export async function writeCheckpoint(directory: string, checkpoint: Checkpoint): Promise<void> {
  await writeFolderAtomic(directory, withManifest(checkpointFiles(checkpoint)));
}

/** Yields files, and after the last one their manifest. */
function* withManifest(files: Iterable<FolderFile>): Generator<FolderFile> {
  const manifest = new Map<string, ManifestEntry>();
  for (const [path, parts] of files) {
    if (!isSafePath(path)) {
      throw new RangeError(`${quote(path)} is not a valid path for a file of a checkpoint`);
    }
    if (manifest.has(path)) {
      throw new RangeError(`the checkpoint has two files with the path ${path}`);
    }
    manifest.set(path, { bytes: sizeOf(parts), sha256: sha256OfParts(parts) });
    yield [path, parts];
  }
  yield [MANIFEST_NAME, [encode(formatManifest(manifest))]];
}

function* checkpointFiles(
  { modelIndex, components, state, card }: Checkpoint,
): Generator<FolderFile> {
  yield ["model_index.json", [encodeJson(modelIndex)]];
  if (card !== undefined) yield ["README.md", [encode(card)]];
  for (const [folder, component] of Object.entries(components)) {
    const { config, configName = "config.json", weights, files = new Map() } = component;
    yield [`${folder}/${configName}`, [encodeJson(config)]];
    if (weights !== undefined) {
      const metadata = { format: "pt", ...component.metadata };
      const name = component.weightsName ?? "diffusion_pytorch_model.safetensors";
      yield [`${folder}/${name}`, safetensorsParts(weights, { metadata })];
    }
    for (const [name, bytes] of files) yield [`${folder}/${name}`, [bytes]];
  }
  if (state !== undefined) {
    const { vectors, step, seed, configHash, details = {} } = state;
    yield ["training_state.json", [encodeJson({ version: 1, step, seed, configHash, details })]];
    yield ["training_state.safetensors", safetensorsParts(vectors)];
  }
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function encodeJson(value: JsonObject): Uint8Array<ArrayBuffer> {
  return encode(JSON.stringify(value, null, 2) + "\n");
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/**
 * Reads a checkpoint that `writeCheckpoint` wrote, or one of another program in the layout of diffusers. If
 * there is a manifest, every file is checked against it.
 *
 * @param options `state`: whether to read the training state, which resuming needs. @default false
 * @throws {UserError} If the folder is missing or not a checkpoint, or if a file is missing, truncated,
 * altered or unsound.
 */
export async function loadCheckpoint(
  directory: string,
  { state = false }: { state?: boolean } = {},
): Promise<LoadedCheckpoint> {
  const manifest = await readManifest(directory);
  const files = manifest === undefined
    ? await listCheckpointFiles(directory)
    : [...manifest.keys()].sort();
  if (!files.includes("model_index.json")) {
    throw new UserError(
      `${directory} is not a checkpoint: it has no model_index.json. Name the folder of a run or of one ` +
        "of its checkpoints",
    );
  }
  const read = (path: string) => readVerified(directory, path, manifest?.get(path));
  const readJson = async (path: string) =>
    parseJsonObject(decode(await read(path)), `${directory}/${path}`);

  const components: Record<string, Component> = {};
  const folders = new Set(files.filter((path) => path.includes("/")).map((p) => p.split("/")[0]!));
  for (const folder of folders) {
    const loaded = await readComponent(directory, folder, files, manifest);
    if (loaded !== undefined) components[folder] = loaded;
  }
  const loaded: LoadedCheckpoint = {
    directory,
    verified: manifest !== undefined,
    modelIndex: await readJson("model_index.json"),
    components,
    ...(manifest?.has("README.md") ? { card: decode(await read("README.md")) } : {}),
  };
  if (!state) return loaded;
  if (!manifest?.has("training_state.json") || !manifest.has("training_state.safetensors")) {
    throw new UserError(
      `${directory} has weights but no training state: it can be sampled from, but not resumed`,
    );
  }
  const record = await readJson("training_state.json");
  const { tensors } = decodeSafetensors(
    await read("training_state.safetensors"),
    `${directory}/training_state.safetensors`,
  );
  return { ...loaded, state: parseState(record, tensors, `${directory}/training_state.json`) };
}

/** Reads the component in a folder of a checkpoint. */
async function readComponent(
  directory: string,
  folder: string,
  files: readonly string[],
  manifest: Manifest | undefined,
): Promise<Component | undefined> {
  const prefix = `${folder}/`;
  const names = files.filter((path) => path.startsWith(prefix)).map((p) => p.slice(prefix.length));
  const configName = pickConfigFile(names);
  if (configName === undefined) return undefined;
  const weightsName = pickWeightsFile(names, `${directory}/${folder}`);
  const read = (name: string) =>
    readVerified(directory, prefix + name, manifest?.get(prefix + name));
  const source = (name: string) => `${directory}/${prefix}${name}`;
  const rest = new Map<string, Uint8Array<ArrayBuffer>>();
  // Further files are read only if a manifest lists them: an untrusted folder may have files of any size.
  for (const name of manifest === undefined ? [] : names) {
    if (name !== configName && name !== weightsName) rest.set(name, await read(name));
  }
  const component: Component = {
    configName,
    config: parseJsonObject(decode(await read(configName)), source(configName), {
      infinities: configName === "scheduler_config.json", // Python writes lambda_min_clipped so
    }),
    ...(rest.size > 0 ? { files: rest } : {}),
  };
  if (weightsName === undefined) return component;
  const { tensors, metadata } = decodeSafetensors(await read(weightsName), source(weightsName));
  return { ...component, weightsName, weights: tensors, metadata: Object.fromEntries(metadata) };
}

function parseState(record: JsonObject, vectors: NamedTensors, source: string): TrainingState {
  const { version, step, seed, configHash, details = {} } = record;
  if (version !== 1) {
    throw new UserError(
      `${source} has the version ${quote(version)}, expected 1: update this program`,
    );
  }
  const isCount = (value: unknown): value is number =>
    Number.isSafeInteger(value) && Number(value) >= 0;
  if (
    !isCount(step) || !isCount(seed) || typeof configHash !== "string" || !isJsonObject(details)
  ) {
    throw new UserError(`${source} is not a training state`);
  }
  return { step, seed, configHash, details, vectors };
}
