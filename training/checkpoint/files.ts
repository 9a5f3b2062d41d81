/** Which of the files in a folder are a model's, by the names that diffusers and transformers use. */
import { UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import { isSafePath } from "./manifest.ts";

/** More files than this are no checkpoint, whatever they are. */
const MAX_FILES = 10_000;

/**
 * The files in a folder and in its folders, one level deep, sorted.
 *
 * @returns Paths relative to the folder, with "/" between levels.
 * @throws {UserError} If the folder is missing, is a file, or holds too many files.
 */
export async function listCheckpointFiles(directory: string): Promise<string[]> {
  const files: string[] = [];
  const list = async (prefix: string) => {
    for await (const { name, isDirectory } of Deno.readDir(`${directory}/${prefix}`)) {
      const path = prefix + name;
      // Links stay: the hub's cache is made of them.
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

/** The configuration among the files of one folder: config.json, or a scheduler's. */
export function pickConfigFile(names: readonly string[]): string | undefined {
  return ["config.json", "scheduler_config.json"].find((name) => names.includes(name)) ??
    names.find((name) => /^\w+_config\.json$/.test(name) && name !== "generation_config.json");
}

/**
 * The weights among the files of one folder. Of several, the one without a variant in its name.
 *
 * @param source What messages call the folder.
 * @returns undefined where there are none, as in a scheduler's folder.
 * @throws {UserError} If the weights are in a form that is not read here.
 */
export function pickWeightsFile(names: readonly string[], source: string): string | undefined {
  const found = names.filter((name) => name.endsWith(".safetensors"));
  const standard = ["diffusion_pytorch_model.safetensors", "model.safetensors"];
  const whole = standard.find((name) => found.includes(name));
  if (whole !== undefined) return whole;
  if (found.some((name) => /-\d+-of-\d+\.safetensors$/.test(name))) {
    throw new UserError(`${source} holds weights in several files: save them again as one`);
  }
  if (found.length > 1) {
    throw new UserError(`${source} holds several weights (${found.join(", ")}): keep one of them`);
  }
  if (found.length === 0 && names.some((name) => /\.(bin|pt|pth|ckpt|msgpack|h5)$/.test(name))) {
    throw new UserError(
      `${source} holds weights in a format that can run code when it is opened: save them as ` +
        "safetensors (save_pretrained does)",
    );
  }
  return found[0];
}
