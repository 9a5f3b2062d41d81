/** Readers of folders: a file of a valid one is changed where it lies, read, and put back. */
import { join } from "node:path";
import { sha256OfParts } from "../../base/json.ts";
import {
  formatManifest,
  MANIFEST_NAME,
  type ManifestEntry,
} from "../../training/checkpoint/manifest.ts";
import { permitted } from "../permissions.ts";
import { type Dice, mutateBytes, mutateJson } from "./mutate.ts";
import { survives } from "./survive.ts";

/** Files of a folder, by their paths in it. */
export type Files = Record<string, Uint8Array<ArrayBuffer>>;

/** Whether folders can be made. */
export const noFolders: boolean = !permitted({ name: "read" }, { name: "write" });

function readFiles(folder: string, prefix = ""): Files {
  const files: Files = {};
  for (const { name, isDirectory } of Deno.readDirSync(join(folder, prefix))) {
    const path = prefix + name;
    if (isDirectory) Object.assign(files, readFiles(folder, `${path}/`));
    else files[path] = Deno.readFileSync(join(folder, path));
  }
  return files;
}

/** The files that `write` makes, read once when they are first asked for. */
export function written(write: (folder: string) => Promise<void>): () => Promise<Files> {
  let files: Promise<Files> | undefined;
  return () =>
    files ??= (async () => {
      const folder = await Deno.makeTempDir();
      await write(`${folder}/a`);
      const found = readFiles(`${folder}/a`);
      await Deno.remove(folder, { recursive: true });
      return found;
    })();
}

/** What is made of bytes, once while these are kept. */
function once<T>(make: (bytes: Uint8Array) => T): (bytes: Uint8Array) => T {
  const made = new WeakMap<Uint8Array, { value: T }>();
  return (bytes) => {
    let found = made.get(bytes);
    if (found === undefined) made.set(bytes, found = { value: make(bytes) });
    return found.value;
  };
}

const parsed = once((bytes): unknown => JSON.parse(new TextDecoder().decode(bytes)));
const entryOf = once((bytes): ManifestEntry => ({
  bytes: bytes.length,
  sha256: sha256OfParts([bytes]),
}));

/** One file, changed; of a manifest's files the hash is right again, or nothing else would be seen. */
function changeOne(files: Files, dice: Dice): Files {
  const name = dice.pick(Object.keys(files).sort());
  const bytes = files[name]!;
  const changed = name.endsWith(".json") && dice.below(4) > 0
    ? mutateJson(parsed(bytes), dice)
    : mutateBytes(bytes, dice);
  const all = { ...files, [name]: changed };
  if (all[MANIFEST_NAME] === undefined || name === MANIFEST_NAME) return all;
  if (dice.below(10) === 0) { // as a stranger's, without one
    delete all[MANIFEST_NAME];
    return all;
  }
  const listed = Object.entries(all).filter(([path]) => path !== MANIFEST_NAME);
  const manifest = formatManifest(new Map(listed.map(([path, file]) => [path, entryOf(file)])));
  return { ...all, [MANIFEST_NAME]: new TextEncoder().encode(manifest) };
}

/**
 * Writes over what is there and cuts off the rest. A file that is emptied first is written to the disk
 * as soon as it is closed, by file systems that do not trust programs to sync.
 */
export function writeOver(path: string, bytes: Uint8Array): void {
  using file = Deno.openSync(path, { write: true, create: true });
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
  file.truncateSync(bytes.length);
}

/** Writes what differs from what is there. */
export function update(folder: string, from: Files, to: Files): void {
  for (const path of Object.keys(from)) {
    if (!Object.hasOwn(to, path)) Deno.removeSync(join(folder, path));
  }
  for (const [path, bytes] of Object.entries(to)) {
    if (from[path] === bytes) continue;
    if (!Object.hasOwn(from, path)) {
      Deno.mkdirSync(join(folder, path, ".."), { recursive: true });
    }
    writeOver(join(folder, path), bytes);
  }
}

/** A folder with files, made when it is first asked for and removed in the end. */
export function folderOf(files: () => Promise<Files>): () => Promise<string> {
  let place: Promise<string> | undefined;
  return () =>
    place ??= (async () => {
      const folder = await Deno.makeTempDir({ prefix: "soak-" });
      addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
      update(folder, {}, await files());
      return folder;
    })();
}

/**
 * A test of a reader of a folder, in which one file is changed and then put back.
 *
 * @param options `writes`: whether it writes there itself, so that all is put back. @default false
 */
export function folderSurvives(
  name: string,
  files: () => Promise<Files>,
  read: (folder: string) => unknown,
  { writes = false }: { writes?: boolean } = {},
): void {
  const place = folderOf(files);
  survives<Dice>({
    ...{ name, ignore: noFolders },
    input: (dice) => dice,
    read: async (dice) => {
      const [folder, whole] = [await place(), await files()];
      // As it is at times, so that right ones are known, too.
      const changed = dice.below(20) === 0 ? whole : changeOne(whole, dice);
      update(folder, whole, changed);
      try {
        return await read(folder);
      } finally {
        update(folder, writes ? {} : changed, whole);
      }
    },
    names: /soak-/,
  });
}
