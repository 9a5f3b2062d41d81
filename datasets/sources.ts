/**
 * Finds the files of a data set in one of several places. Every file is pinned by the hash of its content,
 * so all places give the same data. Only the bundled sample is smaller, which its description says.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { usageError, UserError } from "../base/errors.ts";
import { cacheDirectory } from "./download/cache.ts";
import type { Dataset, FoundFiles, Origin } from "./dataset.ts";
import type { DownloadOptions } from "./download/download.ts";
import { readFolder } from "./download/folder.ts";
import type { PinnedFile } from "./download/integrity.ts";
import { granted } from "../base/permissions.ts";
import { CACHE_REMEDY, fromNetwork } from "./download/remote.ts";

/** Options of {@linkcode openDataset}. */
export interface SourceOptions extends DownloadOptions {
  /** A folder with the files. If it is given, no other place is tried. */
  readonly dataDir?: string | undefined;
  /** The name of `dataDir` in messages, such as that of a program's flag. @default {"dataDir"} */
  readonly dataDirName?: string | undefined;
  /** Use only the bundled sample. @default {false} */
  readonly sampleOnly?: boolean | undefined;
  /** Whether the sample may replace a set that cannot be had. @default {true} */
  readonly allowSample?: boolean | undefined;
  /** The folder of the cache; null for none. @default {cacheDirectory()} */
  readonly cacheDir?: string | null | undefined;
  /** The system package's folder; null for none. @default {the data set's own} */
  readonly systemFolder?: string | null | undefined;
}

export interface OpenedDataset extends FoundFiles {
  /** SHA-256 of the unpacked contents by file name, for the run's record. */
  readonly sha256: Readonly<Record<string, string>>;
  /** A clause for each earlier place with the reason why it was not used. */
  readonly passedOver: readonly string[];
}

/** The origin of loaded data, for the run's record. */
export interface Provenance {
  /** The kind of place; "sample" is a small part of the set, or a substitute for it. */
  readonly origin: Origin;
  /** The folder of the files. */
  readonly place: string;
  /** SHA-256 of the unpacked files that were used, by name. */
  readonly sha256: Readonly<Record<string, string>>;
  /** One line about the origin, for people. */
  readonly description: string;
}

const FROM = {
  cache: "from the cache,",
  "data-dir": "from the data folder",
  system: "from the system's package,",
  network: "downloaded into",
} as const;

const namesOf = (files: readonly PinnedFile[]) => files.map(({ name }) => name).join(", ");

/** The files of a folder that has all of them, or a clause with the reason why it is not used. */
async function fromFolder(
  origin: "cache" | "system",
  folder: string,
  { files }: Dataset,
  remedy: string,
): Promise<FoundFiles | string> {
  if (!granted({ name: "read", path: folder })) {
    return `${origin}: no permission to read ${folder}`;
  }
  const { contents, missing } = await readFolder(folder, files, remedy);
  if (missing.length === 0) return { origin, place: folder, contents };
  return contents.size === 0
    ? `${origin}: nothing in ${folder}`
    : `${origin}: ${folder} lacks ${namesOf(missing)}`;
}

async function fromDataDir(
  { title, id, files, otherFolders = [] }: Dataset,
  dataDir: string,
  dataDirName: string,
): Promise<FoundFiles> {
  const stat = await Deno.stat(dataDir).catch(() => undefined);
  if (stat?.isDirectory !== true) {
    const problem = stat === undefined ? "there is no such folder" : "not a folder";
    throw usageError(
      `${dataDirName} ${dataDir}: ${problem}; name the folder that holds ${namesOf(files)}`,
    );
  }
  const folders = [id, ".", ...otherFolders].map((name) => join(dataDir, name));
  const remedy = `put the right file there, or leave ${dataDirName} out`;
  for (const folder of folders) {
    const { contents, missing } = await readFolder(folder, files, remedy);
    if (missing.length === 0) return { origin: "data-dir", place: folder, contents };
    if (contents.size > 0) {
      throw usageError(`${dataDirName}: ${folder} lacks ${namesOf(missing)}; put them there too`);
    }
  }
  throw usageError(
    `${dataDirName}: nothing of ${title} in ${folders.join(" or ")}; ` +
      `put ${namesOf(files)} there, or leave ${dataDirName} out`,
  );
}

const SAMPLE_REMEDY = "restore it with `git checkout`";

async function fromSample({ sample }: Dataset): Promise<FoundFiles> {
  const { folder, files } = sample;
  const place = folder.protocol === "file:" ? fileURLToPath(folder) : folder.href;
  const { contents, missing } = await readFolder(place, files, SAMPLE_REMEDY);
  if (missing.length === 0) return { origin: "sample", place, contents };
  throw new UserError(
    `${place}: the bundled sample lacks ${namesOf(missing)}; ${SAMPLE_REMEDY}`,
  );
}

async function findFiles(
  dataset: Dataset,
  options: SourceOptions,
): Promise<Omit<OpenedDataset, "sha256">> {
  const {
    dataDir,
    dataDirName = "dataDir",
    sampleOnly = false,
    allowSample = true,
    cacheDir = cacheDirectory(),
    systemFolder = dataset.systemFolder,
  } = options;
  const passedOver: string[] = [];
  if (sampleOnly) return { ...await fromSample(dataset), passedOver };
  if (dataDir !== undefined) {
    return { ...await fromDataDir(dataset, dataDir, dataDirName), passedOver };
  }
  const cache = cacheDir === undefined || cacheDir === null
    ? undefined
    : join(cacheDir, dataset.id);
  const systemRemedy =
    `reinstall its package, or name a folder with the right files by ${dataDirName}`;
  const places = [
    () =>
      cache === undefined
        ? "cache: no folder may be used for it"
        : fromFolder("cache", cache, dataset, CACHE_REMEDY),
    () =>
      systemFolder === undefined || systemFolder === null
        ? "system: no package has it"
        : fromFolder("system", systemFolder, dataset, systemRemedy),
    () => fromNetwork(dataset, cache, options),
  ];
  for (const place of places) {
    const found = await place();
    if (typeof found !== "string") return { ...found, passedOver };
    passedOver.push(found);
  }
  if (allowSample) return { ...await fromSample(dataset), passedOver };
  throw new UserError(
    `${dataset.title} cannot be had (${passedOver.join("; ")}); ` +
      `connect to the network, or name a folder that has its files by ${dataDirName}`,
  );
}

/**
 * Opens a data set: from `dataDir` if it is given, and otherwise from the first of these places that has
 * all of its files: the cache, the system package's folder, the network (into the cache), the bundled
 * sample. A bad file (a Git LFS pointer, an HTML page, truncated, altered) is an error in every place.
 *
 * @throws {UserError} If a file is bad, `dataDir` lacks a file, the disk is full, or the set cannot be
 * had and the sample is not allowed.
 */
export async function openDataset(
  dataset: Dataset,
  options: SourceOptions = {},
): Promise<OpenedDataset> {
  const found = await findFiles(dataset, options);
  const pins = found.origin === "sample" ? dataset.sample.files : dataset.files;
  const sha256 = Object.fromEntries(pins.map((pin) => [pin.name, pin.sha256]));
  return { ...found, sha256 };
}

/** The most characters of a reason in a line for people. */
const REASON = 60;

function shortened(reason: string): string {
  return reason.length <= REASON ? reason : `${reason.slice(0, REASON - 1).trimEnd()}…`;
}

/** One line for people about the origin of data, in capitals if it is the sample. */
export function describeSource(
  { title, sample }: Dataset,
  { origin, place, passedOver }: Pick<OpenedDataset, "origin" | "place" | "passedOver">,
): string {
  if (origin !== "sample") return `${title}: ${FROM[origin]} ${place}`;
  const why = passedOver.length === 0
    ? ""
    : `, because the whole set was not found (${shortened(passedOver.at(-1)!)})`;
  return `${title}: ONLY THE BUNDLED SAMPLE, ${sample.description}${why}`;
}

export function provenanceOf(dataset: Dataset, opened: OpenedDataset): Provenance {
  const { origin, place, sha256 } = opened;
  return { origin, place, sha256, description: describeSource(dataset, opened) };
}
