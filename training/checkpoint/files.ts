/** Finds the files of a model in a folder by the names that diffusers and transformers use. */
import { UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import { isSafePath } from "./manifest.ts";

/** A folder with more files is not a checkpoint. */
const MAX_FILES = 10_000;

/** The paths of the files in a folder and in its direct subfolders, relative to the folder and sorted. */
export async function listCheckpointFiles(directory: string): Promise<string[]> {
  const files: string[] = [];
  const list = async (prefix: string) => {
    for await (const { name, isDirectory } of Deno.readDir(`${directory}/${prefix}`)) {
      const path = prefix + name;
      // Symbolic links are included: the cache of the hub consists of them.
      if (isDirectory) prefix === "" && !name.startsWith(".") && await list(`${name}/`);
      else if (isSafePath(path)) files.push(path);
      if (files.length > MAX_FILES) {
        throw new UserError(`${directory} is not a checkpoint: it holds too many files`);
      }
    }
  };
  try {
    await list("");
  } catch (error) {
    throw fileError(error, `read the checkpoint ${directory}`);
  }
  return files.sort();
}

/** The configuration among the files of a folder: config.json, or that of a scheduler. */
export function pickConfigFile(names: readonly string[]): string | undefined {
  return ["config.json", "scheduler_config.json"].find((name) => names.includes(name)) ??
    names.find((name) => /^\w+_config\.json$/.test(name) && name !== "generation_config.json");
}

/** Whether a file lists the tensors of weights in several files. */
export function isWeightsIndex(name: string): boolean {
  return /\.safetensors\.index(\.\w+)?\.json$/.test(name);
}

/**
 * The weights among the files of a folder, or the index of weights in several files: without a variant in
 * the name if there is one, or else those of 16 bits; undefined if there are none, as in the folder of a
 * scheduler.
 *
 * @throws {UserError} If the weights are in a format that is not supported.
 */
export function pickWeightsFile(names: readonly string[], source: string): string | undefined {
  const isPart = (name: string) => /-\d+-of-\d+(\.\w+)?\.safetensors$/.test(name);
  const found = names.filter((name) =>
    isWeightsIndex(name) || name.endsWith(".safetensors") && !isPart(name)
  );
  for (const stem of ["diffusion_pytorch_model", "model"]) {
    const standard = [
      `${stem}.safetensors`,
      `${stem}.safetensors.index.json`,
      `${stem}.fp16.safetensors`,
      `${stem}.safetensors.index.fp16.json`,
    ].find((name) => found.includes(name));
    if (standard !== undefined) return standard;
  }
  if (found.length === 0 && names.some(isPart)) {
    throw new UserError(`${source} has parts of weights, but not the index that lists them`);
  }
  if (found.length > 1) {
    throw new UserError(
      `${source} has several files of weights (${found.join(", ")}): keep one of them`,
    );
  }
  if (found.length === 0 && names.some((name) => /\.(bin|pt|pth|ckpt|msgpack|h5)$/.test(name))) {
    throw new UserError(
      `${source} has weights in a format that can run code when it is opened: save the model as ` +
        "safetensors, as from_pretrained(FOLDER).save_pretrained(NEW) does in Python",
    );
  }
  return found[0];
}
