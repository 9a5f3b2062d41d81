/** Describes data sets before they are opened: their files, hashes, addresses and samples. */
import type { PinnedFile } from "./download/integrity.ts";

export interface RemoteFile extends PinnedFile {
  /** In the order in which they are tried. */
  readonly addresses: readonly string[];
}

export interface Dataset {
  readonly title: string;
  /** Its folder's name in the cache and in a data folder. */
  readonly id: string;
  readonly files: readonly RemoteFile[];
  /** Further folders in a data folder where other programs keep the same files. */
  readonly otherFolders?: readonly string[] | undefined;
  /** The folder where a system package installs it. */
  readonly systemFolder?: string | undefined;
  readonly sample: {
    readonly folder: URL;
    /** Its files, under the names of the whole set's. */
    readonly files: readonly PinnedFile[];
    /** Its content, such as "6,000 + 1,000 of the 70,000 images". */
    readonly description: string;
  };
}

/** The kinds of places that data come from. */
export type Origin = "cache" | "data-dir" | "system" | "network" | "sample";

export type Contents = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

export interface FoundFiles {
  /** The kind of place; after a download, "network" although the files are in the cache. */
  readonly origin: Origin;
  readonly place: string;
  readonly contents: Contents;
}

/** Files from a table with a line for each: SHA-256, bytes, rows, name. */
export function pinnedFiles(table: string): PinnedFile[] {
  return table.trim().split("\n").map((line) => {
    const [sha256, size, rows, name] = line.trim().split(/ +/) as [string, string, string, string];
    return { name, sha256, size: Number(size), rows: Number(rows) };
  });
}

/** Files of {@linkcode pinnedFiles} that are downloaded from `mirror`, and kept with a ".gz". */
export function remoteFiles(mirror: string, table: string): RemoteFile[] {
  return pinnedFiles(table)
    .map((pin) => ({ ...pin, name: `${pin.name}.gz`, addresses: [mirror + pin.name] }));
}
