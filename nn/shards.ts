/** Reads tensors that are saved in several safetensors files with an index of names. */
import { UserError } from "../base/errors.ts";
import type { FileReader } from "../base/files.ts";
import { isJsonObject, parseJsonObject } from "../base/json.ts";
import { quote } from "../base/quote.ts";
import type { HostTensor } from "./host_tensor.ts";
import { decodeSafetensors } from "./safetensors.ts";

/**
 * The tensors of the files that an index names.
 *
 * @param index The content of model.safetensors.index.json, or of a file like it.
 * @param indexName Its name, for messages.
 * @param folder The folder with all files: its name in messages, and its reader.
 * @throws {UserError} If the index or a file is unsound, or a file or a tensor is missing.
 */
export async function readShards(
  index: Uint8Array,
  indexName: string,
  { name, read }: { readonly name: string; readonly read: FileReader },
): Promise<Map<string, HostTensor>> {
  const source = `${name}/${indexName}`;
  const map = parseJsonObject(new TextDecoder().decode(index), source)["weight_map"];
  if (!isJsonObject(map)) throw new UserError(`${source} has no "weight_map"`);
  const found = new Map<string, HostTensor>();
  const leftOut = new Set<string>();
  for (const file of new Set(Object.values(map))) {
    if (typeof file !== "string" || !/^[\w-][\w.-]*\.safetensors$/.test(file)) {
      throw new UserError(
        `${source} names ${quote(file)}, which is not a safetensors file beside it`,
      );
    }
    const bytes = await read(file);
    if (bytes === undefined) throw new UserError(`${name} has no ${file}, which its index names`);
    const { tensors, unread } = decodeSafetensors(bytes, `${name}/${file}`);
    for (const [key, tensor] of tensors) {
      if (map[key] === file) found.set(key, tensor);
    }
    for (const key of unread.keys()) leftOut.add(key);
  }
  const missing = Object.keys(map).find((key) => !found.has(key) && !leftOut.has(key));
  if (missing !== undefined) {
    throw new UserError(
      `${source} lists the tensor ${quote(missing)}, which ${map[missing]} lacks`,
    );
  }
  return found;
}
