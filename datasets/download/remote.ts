/** Downloads a data set into the cache. */
import { join } from "node:path";
import { UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import type { Dataset, FoundFiles } from "../dataset.ts";
import { downloader, DownloadError, type DownloadOptions } from "./download.ts";
import { readFolder } from "./folder.ts";
import { withFileLock } from "../../base/file_lock.ts";
import { systemNetwork } from "./network.ts";
import { granted } from "../../base/permissions.ts";

export const CACHE_REMEDY = "remove it, and it is downloaded again";

function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "";
}

function cannotBeWritten(error: unknown): error is Error {
  return error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable ||
    error instanceof Deno.errors.NotADirectory ||
    error instanceof Deno.errors.AlreadyExists ||
    ["EROFS", "ENOTDIR", "EEXIST"].includes(codeOf(error));
}

/** Downloads the files that the folder lacks. The caller holds its lock. */
async function fillFolder(
  { files }: Dataset,
  folder: string,
  options: DownloadOptions,
): Promise<FoundFiles> {
  // Another process may have filled it while this one waited for the lock.
  const { contents: found, missing } = await readFolder(folder, files, CACHE_REMEDY);
  if (missing.length === 0) return { origin: "cache", place: folder, contents: found };
  const contents = new Map(found);
  const download = downloader(options);
  for (const file of files.filter(({ name }) => !found.has(name))) {
    const { bytes, address } = await download(file, join(folder, file.name));
    options.log?.(`${file.name}: downloaded from ${address}, its hash is right`);
    contents.set(file.name, bytes);
  }
  return { origin: "network", place: folder, contents };
}

/**
 * Downloads a data set's files into its folder of the cache, one process at a time. Returns a clause with
 * the reason if they cannot be had.
 */
export async function fromNetwork(
  dataset: Dataset,
  folder: string | undefined,
  options: DownloadOptions,
): Promise<FoundFiles | string> {
  const { network = systemNetwork, log, signal } = options;
  const addresses = dataset.files.flatMap((file) => file.addresses);
  if (!addresses.some(network.mayReach)) {
    const hosts = new Set(addresses.map((address) => new URL(address).host));
    return `network: no permission to reach ${[...hosts].join(" or ")}`;
  }
  if (folder === undefined) {
    return "network: no folder to keep downloads in; set NANODIFFUSION_CACHE to one";
  }
  for (const name of ["read", "write"] as const) {
    if (!granted({ name, path: folder })) {
      return `network: no permission to ${name} ${folder}, where downloads are kept`;
    }
  }
  try {
    await Deno.mkdir(folder, { recursive: true });
    return await withFileLock(join(folder, ".lock"), () => fillFolder(dataset, folder, options), {
      log,
      sleep: (milliseconds) => network.sleep(milliseconds, signal),
      now: network.now,
    });
  } catch (error) {
    if (error instanceof DownloadError) return `network: ${error.message}`;
    if (["ENOSPC", "EDQUOT"].includes(codeOf(error))) {
      const most = Math.ceil(dataset.files.reduce((sum, { size }) => sum + size, 0) / 1e6);
      throw new UserError(
        `${folder}: the disk is full; free ${most} MB, or set NANODIFFUSION_CACHE to a folder ` +
          `on another disk`,
        { cause: error },
      );
    }
    if (cannotBeWritten(error)) {
      return `network: downloads cannot be kept in ${folder} (${error.message}); set ` +
        `NANODIFFUSION_CACHE to a folder that can be written`;
    }
    throw codeOf(error) === "" ? error : fileError(error, `keep downloads in ${folder}`);
  }
}
