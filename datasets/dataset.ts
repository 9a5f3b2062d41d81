/** Describes data sets before they are opened: their files, hashes, addresses and samples. */
import type { PinnedFile } from "./download/integrity.ts";

/** A pinned file and its addresses. */
export interface RemoteFile extends PinnedFile {
  /** Addresses of the file, in the order in which they are tried. */
  readonly addresses: readonly string[];
}

/** A data set of pinned files. */
export interface Dataset {
  /** Its name in messages. */
  readonly title: string;
  /** Its folder's name in the cache and in a data folder. */
  readonly id: string;
  /** The files of the whole set. */
  readonly files: readonly RemoteFile[];
  /** Further folders in a data folder where other programs keep the same files. */
  readonly otherFolders?: readonly string[] | undefined;
  /** The folder where a system package installs it. */
  readonly systemFolder?: string | undefined;
  /** The part of it that is bundled with this project. */
  readonly sample: {
    /** Its folder. */
    readonly folder: URL;
    /** Its files, under the names of the whole set's. */
    readonly files: readonly PinnedFile[];
    /** Its content, such as "6,000 + 1,000 of the 70,000 images". */
    readonly description: string;
  };
}

/** The kinds of places that data come from. */
export type Origin = "cache" | "data-dir" | "system" | "network" | "sample";

/** Unpacked contents by file name. */
export type Contents = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** The files of a data set, and their folder. */
export interface FoundFiles {
  /** The kind of place; after a download, "network" although the files are in the cache. */
  readonly origin: Origin;
  /** The folder. */
  readonly place: string;
  /** The unpacked and checked files. */
  readonly contents: Contents;
}
