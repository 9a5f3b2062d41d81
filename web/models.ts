/** Checkpoints: downloaded with progress, checked by their hashes, and kept in the browser. */
import { UserError } from "../base/errors.ts";
import { sha256 } from "../base/json.ts";
import { loadCheckpoint, type LoadedCheckpoint } from "../training/checkpoint/checkpoint.ts";
import {
  MANIFEST_NAME,
  type ManifestEntry,
  parseManifest,
} from "../training/checkpoint/manifest.ts";
import type { Status } from "./protocol.ts";

const CACHE = "models";

type Bytes = Uint8Array<ArrayBuffer>;

/** The bytes of a response, with its progress. */
async function readAll(response: Response, onBytes: (count: number) => void): Promise<Bytes> {
  const parts: Uint8Array[] = [];
  for await (const part of response.body!) {
    parts.push(part);
    onBytes(part.length);
  }
  return new Uint8Array(await new Blob(parts as Bytes[]).arrayBuffer());
}

/** The browser's storage; undefined if it refuses, as some do in private windows. */
async function openCache(): Promise<Cache | undefined> {
  try {
    return await caches.open(CACHE);
  } catch {
    return undefined;
  }
}

async function isWhole(bytes: Bytes, { bytes: length, sha256: hash }: ManifestEntry) {
  return bytes.length === length && await sha256(bytes) === hash;
}

/** The manifest: of the server, so that new weights are found, or without one of the storage. */
async function readManifest(name: string, cache: Cache | undefined) {
  const address = `models/${name}/${MANIFEST_NAME}`;
  const response = await fetch(address).catch(() => undefined) ?? await cache?.match(address);
  if (response === undefined) {
    throw new UserError(`the model ${name} cannot be loaded: the server does not answer`);
  }
  if (!response.ok) throw new UserError(`this page has no model ${name}`);
  await cache?.put(address, response.clone()).catch(() => {});
  return parseManifest(await response.text(), address);
}

/**
 * Opens a checkpoint of the page's folder `models/`. Files that the storage holds are not downloaded.
 *
 * @throws {UserError} If a file is missing, or is not what the manifest says.
 */
async function download(
  name: string,
  report: (status: Status) => void,
): Promise<LoadedCheckpoint> {
  const cache = await openCache();
  const manifest = await readManifest(name, cache);
  const total = [...manifest.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  let [done, isKept] = [0, cache !== undefined];
  const read = async (path: string): Promise<Bytes> => {
    const address = `models/${name}/${path}`;
    const entry = manifest.get(path)!;
    const onBytes = (count: number) => {
      done += count;
      const text = `Loading ${name}: ${(done / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB`;
      report({ text, progress: Math.min(1, done / total) });
    };
    const kept = await cache?.match(address);
    if (kept !== undefined) {
      const bytes = new Uint8Array(await kept.arrayBuffer());
      if (await isWhole(bytes, entry)) {
        onBytes(bytes.length);
        return bytes;
      }
    }
    const response = await fetch(address).catch(() => undefined);
    if (!response?.ok) throw new UserError(`${address} cannot be loaded: try again when online`);
    const bytes = await readAll(response, onBytes);
    if (!await isWhole(bytes, entry)) {
      throw new UserError(
        `${address} is damaged: its SHA-256 is not that of the manifest. Reload the page`,
      );
    }
    const put = cache?.put(address, new Response(bytes)).then(() => true, () => false);
    isKept &&= await put ?? false;
    return bytes;
  };
  const checkpoint = await loadCheckpoint({
    name,
    files: [...manifest.keys()].sort(),
    read,
    verified: true,
  });
  report({
    text: isKept
      ? `Loaded ${name}; the browser keeps it`
      : `Loaded ${name}; the browser has no storage for it, so it is loaded again next time`,
    progress: 1,
  });
  return checkpoint;
}

const opened = new Map<string, Promise<unknown>>();

/** A model of a checkpoint, which is loaded once. A failure is forgotten, so that one may try again. */
export function openModel<Model>(
  name: string,
  report: (status: Status) => void,
  build: (checkpoint: LoadedCheckpoint) => Model | Promise<Model>,
): Promise<Model> {
  const model = opened.get(name) ?? download(name, report).then(build);
  opened.set(name, model);
  model.catch(() => opened.delete(name));
  return model as Promise<Model>;
}
