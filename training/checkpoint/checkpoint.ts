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
import { readShards } from "../../nn/shards.ts";
import { isWeightsIndex, listCheckpointFiles, pickConfigFile, pickWeightsFile } from "./files.ts";
import { type FolderFile, sizeOf, writeFolderAtomic } from "../../base/files.ts";
import {
  formatManifest,
  isSafePath,
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
  /** The folder that it was read from. */
  readonly directory?: string;
}

/** The files of a checkpoint that is not in a folder, such as a repository of the hub. */
export interface CheckpointFiles {
  /** The checkpoint's name in messages and records. */
  readonly name: string;
  /** The paths of its files. */
  readonly files: readonly string[];
  /** Reads a file; undefined if there is none. */
  readonly read: (path: string) => Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Whether a manifest lists the files, and `read` checks them. @default false */
  readonly verified?: boolean | undefined;
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

/** An opened checkpoint. */
interface Source {
  readonly directory: string;
  readonly files: readonly string[];
  /** Whether a manifest lists the files. */
  readonly verified: boolean;
  readonly read: (path: string) => Promise<Uint8Array<ArrayBuffer>>;
}

async function openFolder(directory: string): Promise<Source> {
  const manifest = await readManifest(directory);
  const files = manifest === undefined
    ? await listCheckpointFiles(directory)
    : [...manifest.keys()].sort();
  const read = (path: string) => readVerified(directory, path, manifest?.get(path));
  return { directory, files, verified: manifest !== undefined, read };
}

function openFiles({ name, files, read, verified = false }: CheckpointFiles): Source {
  const readExisting = async (path: string) => {
    const bytes = await read(path);
    if (bytes === undefined) throw new UserError(`${name} has no ${path}`);
    return bytes;
  };
  return { directory: name, files, verified, read: readExisting };
}

async function readJson({ directory, read }: Source, path: string): Promise<JsonObject> {
  const infinities = path.endsWith("scheduler_config.json"); // Python writes lambda_min_clipped so
  return parseJsonObject(decode(await read(path)), `${directory}/${path}`, { infinities });
}

/**
 * Reads a checkpoint that `writeCheckpoint` wrote, or one of another program in the layout of diffusers. If
 * there is a manifest, every file is checked against it. A UNet and its scheduler may also be in the folder
 * itself, without subfolders.
 *
 * @param from The folder, or the files.
 * @param options `state`: whether to read the training state, which resuming needs. @default false
 * @throws {UserError} If the folder is missing or not a checkpoint, or if a file is missing, truncated,
 * altered or unsound.
 *
 * @example
 * ```ts
 * import { loadCheckpoint, loadImageModel } from "@nanodiffusion/nanodiffusion";
 *
 * const checkpoint = await loadCheckpoint("checkpoints/fashion-mnist");
 * const { schedule } = loadImageModel(checkpoint);
 * console.assert(checkpoint.verified && schedule.numTrainTimesteps === 1000);
 * ```
 */
export async function loadCheckpoint(
  from: string | CheckpointFiles,
  { state = false }: { state?: boolean } = {},
): Promise<LoadedCheckpoint> {
  const source = typeof from === "string" ? await openFolder(from) : openFiles(from);
  const { directory, files, verified } = source;
  const modelIndex = await readModelIndex(source);
  const folders = new Set(files.filter((path) => path.includes("/")).map((p) => p.split("/")[0]!));
  const components: Record<string, Component> = {};
  for (const folder of folders) {
    const loaded = await readComponent(source, `${folder}/`);
    if (loaded !== undefined) components[folder] = loaded;
  }
  for (const [part, library] of Object.entries(modelIndex)) {
    if (folders.has(part) || !Array.isArray(library) || library[0] === null) continue;
    const loaded = await readComponent(source, "", part === "scheduler");
    if (loaded !== undefined) components[part] = loaded;
  }
  const loaded: LoadedCheckpoint = {
    directory,
    verified,
    modelIndex,
    components,
    ...(verified && files.includes("README.md")
      ? { card: decode(await source.read("README.md")) }
      : {}),
  };
  return state ? { ...loaded, state: await readState(source) } : loaded;
}

/** The content of model_index.json, or what it would be for a folder with a UNet only. */
async function readModelIndex(source: Source): Promise<JsonObject> {
  const { directory, files } = source;
  if (files.includes("model_index.json")) return await readJson(source, "model_index.json");
  if (files.includes("config.json")) {
    const config = await readJson(source, "config.json");
    const name = config["_class_name"] ?? config["model_type"];
    if (name === "UNet2DModel") return { unet: ["diffusers", name], scheduler: ["diffusers", ""] };
    throw new UserError(
      `${directory} is a model of type ${quote(name)}, not a checkpoint: name a run, one of its ` +
        "checkpoints, or a model of diffusers with a UNet2DModel",
    );
  }
  throw new UserError(
    `${directory} is not a checkpoint: it has no model_index.json. Name a run, one of its checkpoints, ` +
      "or a model of diffusers with a UNet2DModel",
  );
}

async function readState(source: Source): Promise<TrainingState> {
  const { directory, files, verified, read } = source;
  const [recordName, vectorsName] = ["training_state.json", "training_state.safetensors"];
  if (!verified || !files.includes(recordName) || !files.includes(vectorsName)) {
    throw new UserError(
      `${directory} has weights but no training state: it can be sampled from, but not resumed`,
    );
  }
  const record = await readJson(source, recordName);
  const { tensors } = decodeSafetensors(await read(vectorsName), `${directory}/${vectorsName}`);
  return parseState(record, tensors, `${directory}/${recordName}`);
}

/**
 * Reads the component whose files begin with a prefix.
 *
 * @param isScheduler Whether it is a scheduler in the same folder as the model.
 */
async function readComponent(
  source: Source,
  prefix: string,
  isScheduler = false,
): Promise<Component | undefined> {
  const names = source.files.filter((path) => path.startsWith(prefix))
    .map((path) => path.slice(prefix.length)).filter((name) =>
      prefix !== "" || !name.includes("/")
    );
  const configName = pickConfigFile(
    isScheduler ? names.filter((name) => name === "scheduler_config.json") : names,
  );
  if (configName === undefined) return undefined;
  const directory = `${source.directory}/${prefix}`.slice(0, -1);
  const weightsName = isScheduler ? undefined : pickWeightsFile(names, directory);
  const read = (name: string) => source.read(prefix + name);
  const rest = new Map<string, Uint8Array<ArrayBuffer>>();
  // Further files are read only if a manifest lists them: an untrusted folder may have files of any size.
  for (const name of source.verified && prefix !== "" ? names : []) {
    if (name !== configName && name !== weightsName) rest.set(name, await read(name));
  }
  const component: Component = {
    configName,
    config: await readJson(source, prefix + configName),
    directory,
    ...(rest.size > 0 ? { files: rest } : {}),
  };
  if (weightsName === undefined) return component;
  const bytes = await read(weightsName);
  if (isWeightsIndex(weightsName)) {
    const weights = await readShards(bytes, weightsName, { name: directory, read });
    return { ...component, weights };
  }
  const { tensors, metadata } = decodeSafetensors(bytes, `${directory}/${weightsName}`);
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
