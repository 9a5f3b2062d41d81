/** What a data set is, before it is opened. */
import type { PinnedFile } from "./download/integrity.ts";

/** A pinned file and where it can be had. */
export interface RemoteFile extends PinnedFile {
  /** Addresses of the same file, the best first. */
  readonly addresses: readonly string[];
}

/** A data set whose every file is known beforehand. */
export interface Dataset {
  /** What people call it. */
  readonly title: string;
  /** Its folder's name in the cache and in a `--data-dir`. */
  readonly id: string;
  /** The files of the whole set. */
  readonly files: readonly RemoteFile[];
  /** Further folders, relative to a `--data-dir`, where other programs keep the same files. */
  readonly otherFolders?: readonly string[];
  /** Where a system package puts it. */
  readonly systemFolder?: string;
  /** The part of it that is bundled with this project. */
  readonly sample: {
    /** Its folder. */
    readonly folder: URL;
    /** Its files, by the names of the whole set's. */
    readonly files: readonly PinnedFile[];
    /** What it holds, such as "6,000 + 1,000 of the 70,000 images". */
    readonly description: string;
  };
}

/** A place that data come from. */
export type Origin = "cache" | "data-dir" | "system" | "network" | "sample";

/** Unpacked contents by file name. */
export type Contents = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** Files that were found, and where. */
export interface FoundFiles {
  /** The kind of place. "network" files lie in the cache by now. */
  readonly origin: Origin;
  /** The folder. */
  readonly place: string;
  /** The files, checked. */
  readonly contents: Contents;
}
