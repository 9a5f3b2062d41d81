/**
 * Where a data set comes from. Every file is pinned by the hash of its content, so whatever the place,
 * the data are the same; only the bundled sample is less than the whole, and so its use is said.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { usageError, UserError } from "../base/errors.ts";
import { cacheDirectory } from "./download/cache.ts";
import type { Dataset, FoundFiles, Origin } from "./dataset.ts";
import type { DownloadOptions } from "./download/download.ts";
import { readFolder, REMEDY } from "./download/folder.ts";
import type { PinnedFile } from "./download/integrity.ts";
import { granted } from "../base/permissions.ts";
import { fromNetwork } from "./download/remote.ts";

/** Options of {@linkcode openDataset}. */
export interface SourceOptions extends DownloadOptions {
  /** A folder that the user names: then the only one that is looked at. */
  readonly dataDir?: string | undefined;
  /** Take the bundled sample, whatever else there is. @default {false} */
  readonly sampleOnly?: boolean | undefined;
  /** Whether the sample may stand in for a set that cannot be had. @default {true} */
  readonly allowSample?: boolean | undefined;
  /** The folder of the cache; null for none. @default {cacheDirectory()} */
  readonly cacheDir?: string | null | undefined;
  /** The system package's folder; null for none. @default {the data set's own} */
  readonly systemFolder?: string | null | undefined;
}

/** Files of a data set, unpacked and checked. */
export interface OpenedDataset extends FoundFiles {
  /** SHA-256 of the unpacked contents by file name, for the run's record. */
  readonly sha256: Readonly<Record<string, string>>;
  /** Why the places before this one were passed over, a clause each. */
  readonly passedOver: readonly string[];
}

/** Where loaded data came from, for the run's record. */
export interface Provenance {
  /** The kind of place; "sample" is a small part of the set, or stands in for it. */
  readonly origin: Origin;
  /** The folder that the files lie in. */
  readonly place: string;
  /** SHA-256 of the unpacked files that were used, by name. */
  readonly sha256: Readonly<Record<string, string>>;
  /** One line about the source, to be printed. */
  readonly description: string;
}

const namesOf = (files: readonly PinnedFile[]) => files.map(({ name }) => name).join(", ");

/** A folder's files if it has them all, or a clause that says why not. */
async function fromFolder(
  origin: "cache" | "system",
  folder: string,
  { files }: Dataset,
): Promise<FoundFiles | string> {
  if (!granted({ name: "read", path: folder })) {
    return `${origin}: no permission to read ${folder}`;
  }
  const { contents, missing } = await readFolder(folder, files, REMEDY[origin]);
  if (missing.length === 0) return { origin, place: folder, contents };
  return contents.size === 0
    ? `${origin}: nothing in ${folder}`
    : `${origin}: ${folder} lacks ${namesOf(missing)}`;
}

async function fromDataDir(
  { title, id, files, otherFolders = [] }: Dataset,
  dataDir: string,
): Promise<FoundFiles> {
  const folders = [id, ".", ...otherFolders].map((name) => join(dataDir, name));
  for (const folder of folders) {
    const { contents, missing } = await readFolder(folder, files, REMEDY["data-dir"]);
    if (missing.length === 0) return { origin: "data-dir", place: folder, contents };
    if (contents.size > 0) {
      throw usageError(`--data-dir: ${folder} lacks ${namesOf(missing)}; put them there too`);
    }
  }
  throw usageError(
    `--data-dir: nothing of ${title} in ${folders.join(" or ")}; put ${namesOf(files)} there, or ` +
      `leave --data-dir out`,
  );
}

async function fromSample({ sample }: Dataset): Promise<FoundFiles> {
  const { folder, files } = sample;
  const place = folder.protocol === "file:" ? fileURLToPath(folder) : folder.href;
  const { contents, missing } = await readFolder(place, files, REMEDY.sample);
  if (missing.length === 0) return { origin: "sample", place, contents };
  throw new UserError(
    `${place}: the bundled sample lacks ${namesOf(missing)}; restore it with \`git checkout\``,
  );
}

async function findFiles(
  dataset: Dataset,
  options: SourceOptions,
  passedOver: string[],
): Promise<FoundFiles> {
  const {
    dataDir,
    sampleOnly = false,
    allowSample = true,
    cacheDir = cacheDirectory(),
    systemFolder = dataset.systemFolder,
  } = options;
  if (sampleOnly) return await fromSample(dataset);
  if (dataDir !== undefined) return await fromDataDir(dataset, dataDir);
  const cache = cacheDir === undefined || cacheDir === null
    ? undefined
    : join(cacheDir, dataset.id);
  const places = [
    () =>
      cache === undefined
        ? "cache: no folder may be used for it"
        : fromFolder("cache", cache, dataset),
    () =>
      systemFolder === undefined || systemFolder === null
        ? "system: no package has it"
        : fromFolder("system", systemFolder, dataset),
    () => fromNetwork(dataset, cache, options),
  ];
  for (const place of places) {
    const found = await place();
    if (typeof found !== "string") return found;
    passedOver.push(found);
  }
  if (allowSample) return await fromSample(dataset);
  throw new UserError(
    `${dataset.title} cannot be had (${
      passedOver.join("; ")
    }); connect to the network, or name a ` +
      `folder that has its files with --data-dir`,
  );
}

/**
 * Opens a data set: from `dataDir` where that is given, and otherwise from the first that has all of
 * its files among the cache, the system package's folder, the network (into the cache), and the
 * bundled sample. A file that is there but is not what it should be (a Git LFS pointer, an HTML page,
 * cut short, altered) is an error wherever it lies; it is never passed over.
 *
 * @throws {UserError} For such a file, for a `dataDir` without the files, for a full disk, and where
 * the set cannot be had and the sample is not allowed.
 */
export async function openDataset(
  dataset: Dataset,
  options: SourceOptions = {},
): Promise<OpenedDataset> {
  const passedOver: string[] = [];
  const found = await findFiles(dataset, options, passedOver);
  const pins = found.origin === "sample" ? dataset.sample.files : dataset.files;
  const sha256 = Object.fromEntries(pins.map((pin) => [pin.name, pin.sha256]));
  return { ...found, sha256, passedOver };
}

/**
 * One line for people about where data came from; loud where it is the sample in place of the set.
 *
 * @param dataset What was asked for.
 * @param opened What came.
 */
export function describeSource(
  { title, sample }: Dataset,
  { origin, place, passedOver }: Pick<OpenedDataset, "origin" | "place" | "passedOver">,
): string {
  switch (origin) {
    case "cache":
      return `${title}: from the cache, ${place}`;
    case "data-dir":
      return `${title}: from --data-dir, ${place}`;
    case "system":
      return `${title}: from the system's package, ${place}`;
    case "network":
      return `${title}: downloaded into ${place}`;
    case "sample": {
      const why = passedOver.length === 0
        ? ""
        : `, because the whole set was not found (${passedOver.join("; ")})`;
      return `${title}: ONLY THE BUNDLED SAMPLE, ${sample.description}${why}`;
    }
  }
}

/** What a loader says about where its data came from. */
export function provenanceOf(dataset: Dataset, opened: OpenedDataset): Provenance {
  const { origin, place, sha256 } = opened;
  return { origin, place, sha256, description: describeSource(dataset, opened) };
}
