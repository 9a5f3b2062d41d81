/**
 * Opens models from a folder or from the Hugging Face hub. A revision of the hub is pinned to its commit,
 * and the cache keeps files by that commit. A file gets its name in the cache only after its size and
 * hash have been checked. `HF_ENDPOINT` names another server, `HF_TOKEN` gives access to models that are
 * not public, and with `HF_HUB_OFFLINE=1` only the cache is used.
 */
import { join } from "node:path";
import { UserError } from "../../base/errors.ts";
import { type FileReader, folderReader, readFileIfExists } from "../../base/files.ts";
import { isJsonObject, type JsonObject, parseJsonObject } from "../../base/json.ts";
import { quote } from "../../base/quote.ts";
import { cacheDirectory } from "./cache.ts";
import { sha256Hex } from "./integrity.ts";
import { hubFetcher } from "./hub_fetch.ts";
import type { Network } from "./network.ts";
import { granted } from "../../base/permissions.ts";

/** Options of {@linkcode openHubModel}. */
export interface HubOptions {
  /** The server. @default {HF_ENDPOINT, or the public hub} */
  readonly endpoint?: string | undefined;
  /** Gives access to models that are not public. @default {HF_TOKEN} */
  readonly token?: string | undefined;
  /** Whether to use only the cache. @default {HF_HUB_OFFLINE} */
  readonly offline?: boolean | undefined;
  /** The cache's folder. @default {cacheDirectory()} */
  readonly cacheDir?: string | undefined;
  /** The network and the clock. @default {systemNetwork} */
  readonly network?: Network | undefined;
  /** Attempts per file, for temporary faults. @default {5} */
  readonly tries?: number | undefined;
  /** Receives one line about each download, and about each retry. */
  readonly log?: ((line: string) => void) | undefined;
}

export interface HubModel {
  /** "owner/name@0123abc", with the commit. */
  readonly name: string;
  readonly commit: string;
  /** The paths of its files. */
  readonly files: readonly string[];
  read(file: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

interface HubFile {
  readonly size: number | undefined;
  /** The hash of the content of a large file. */
  readonly sha256: string | undefined;
  /** Git's hash of a small file. */
  readonly blobId: string | undefined;
}

/** For a file whose size is not listed. */
const MAX_BYTES = 8e9;

const MAX_LISTING = 4e6;

const NAME = /^(?:[\w-][\w.-]*\/)?[\w-][\w.-]*$/;
const FILE = /^(?:[\w-][\w.-]*\/)*[\w-][\w.-]*$/;

function variable(name: string): string | undefined {
  if (!granted({ name: "env", variable: name })) return undefined;
  return Deno.env.get(name) || undefined;
}

/**
 * Opens a model in a folder, or on the hub by a name as in {@linkcode openHubModel}.
 *
 * @throws {UserError} If it is neither, or the hub does not provide it.
 */
export async function openModelFiles(
  reference: string,
  options: HubOptions = {},
): Promise<{ readonly name: string; readonly read: FileReader }> {
  const folder = reference.replace(/(?<=[^/])\/+$/, "");
  const isFolder = await Deno.stat(folder).then(({ isDirectory }) => isDirectory, () => false);
  return isFolder
    ? { name: folder, read: folderReader(folder) }
    : await openHubModel(reference, options);
}

/** Whether a text has the form OWNER/NAME or OWNER/NAME@REVISION, and is no path: there is no folder OWNER. */
export async function isHubName(reference: string): Promise<boolean> {
  const [owner] = /^[\w-][\w.-]*(?=\/[\w-][\w.-]*(@[\w.\/-]+)?$)/.exec(reference) ?? [];
  return owner !== undefined && !await Deno.stat(owner).then(() => true, () => false);
}

/**
 * Opens a model on the hub: "owner/name", or "owner/name@revision" for another branch, tag or commit than
 * "main".
 */
export async function openHubModel(reference: string, options: HubOptions = {}): Promise<HubModel> {
  const [id = "", revision = "main", ...rest] = reference.split("@");
  if (
    rest.length > 0 || !NAME.test(id) || !FILE.test(revision) || `${id}/${revision}`.includes("..")
  ) {
    throw new UserError(
      `${quote(reference)} names no model: expected a folder that exists, or OWNER/NAME or ` +
        "OWNER/NAME@REVISION of the hub",
    );
  }
  const { cacheDir = cacheDirectory() } = options;
  if (cacheDir === undefined) {
    throw new UserError("there is no folder for downloads: set NANODIFFUSION_CACHE to one");
  }
  const offline = options.offline ?? ["1", "true"].includes(variable("HF_HUB_OFFLINE") ?? "");
  const endpoint = (options.endpoint ?? variable("HF_ENDPOINT") ?? "https://huggingface.co")
    .replace(/\/+$/, "");
  if (!/^https?:$/.test(URL.parse(endpoint)?.protocol ?? "")) {
    throw new UserError(
      `${quote(endpoint)}, from HF_ENDPOINT, is no address of a hub: it must begin with ` +
        "https:// or http://",
    );
  }
  const folder = join(cacheDir, "hub", id.replace("/", "--"));
  const fetchFile = hubFetcher({ ...options, token: options.token ?? variable("HF_TOKEN") });
  const listingPath = join(folder, `${revision.replaceAll("/", "--")}.json`);
  const api = `${endpoint}/api/models/${id}/revision/${encodeURIComponent(revision)}?blobs=true`;
  let bytes = await readFileIfExists(listingPath);
  // A commit never changes, but a branch or a tag may point to another one by now.
  if (bytes === undefined || (!offline && !/^[0-9a-f]{40}$/.test(revision))) {
    if (offline) throw notCached(id, listingPath);
    await fetchFile({
      address: api,
      path: listingPath,
      what: `${id}@${revision}`,
      maxBytes: MAX_LISTING,
      again: bytes !== undefined,
      check: (found) => Promise.resolve(listingFault(found)),
    });
    bytes = await readFileIfExists(listingPath);
  }
  const { commit, files } = parseListing(bytes!, listingPath);
  const name = `${id}@${commit.slice(0, 12)}`;
  return {
    name,
    commit,
    files: [...files.keys()].sort(),
    read: async (file) => {
      const known = files.get(file);
      if (known === undefined || !FILE.test(file) || file.includes("..")) return undefined;
      const path = join(folder, commit, file);
      const cached = await readFileIfExists(path);
      if (cached !== undefined) return cached;
      if (offline) throw notCached(`${name}: ${file}`, path);
      options.log?.(`${name}: downloading ${file}`);
      await fetchFile({
        address: `${endpoint}/${id}/resolve/${commit}/${file}`,
        path,
        what: `${name}: ${file}`,
        maxBytes: known.size ?? MAX_BYTES,
        check: (found) => faultOf(found, known),
      });
      return await readFileIfExists(path);
    },
  };
}

function notCached(what: string, path: string): UserError {
  return new UserError(
    `${what} is not in the cache (${path}), and HF_HUB_OFFLINE forbids to fetch it: unset that, or ` +
      "name a folder that contains the model",
  );
}

function parseListing(
  bytes: Uint8Array,
  source: string,
): { commit: string; files: Map<string, HubFile> } {
  const json: JsonObject = parseJsonObject(new TextDecoder().decode(bytes), source);
  const { sha, siblings } = json;
  if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha) || !Array.isArray(siblings)) {
    throw new UserError(`${source} is not a listing of a model: remove it, and check HF_ENDPOINT`);
  }
  const files = new Map<string, HubFile>();
  for (const entry of siblings) {
    if (!isJsonObject(entry) || typeof entry["rfilename"] !== "string") continue;
    const { rfilename, size, lfs, blobId } = entry;
    const hash = isJsonObject(lfs) ? lfs["sha256"] ?? lfs["oid"] : undefined;
    files.set(rfilename as string, {
      size: typeof size === "number" ? size : undefined,
      sha256: typeof hash === "string" ? hash : undefined,
      blobId: typeof blobId === "string" ? blobId : undefined,
    });
  }
  return { commit: sha, files };
}

function listingFault(bytes: Uint8Array<ArrayBuffer>): string | undefined {
  try {
    parseListing(bytes, "the answer");
  } catch (error) {
    if (error instanceof UserError) return `sent no listing of a model (${error.message})`;
    throw error;
  }
}

/** Git's hash of a file's content (git-hash-object). */
async function gitBlobId(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const head = new TextEncoder().encode(`blob ${bytes.length}\0`);
  const whole = new Uint8Array(head.length + bytes.length);
  whole.set(head);
  whole.set(bytes, head.length);
  return new Uint8Array(await crypto.subtle.digest("SHA-1", whole)).toHex();
}

/** A clause about a fault of a file, or undefined. */
async function faultOf(
  bytes: Uint8Array<ArrayBuffer>,
  { size, sha256, blobId }: HubFile,
): Promise<string | undefined> {
  if (size !== undefined && bytes.length !== size) {
    return `sent ${bytes.length} of ${size} bytes`;
  }
  const other = sha256 !== undefined
    ? await sha256Hex(bytes) !== sha256
    : blobId !== undefined && await gitBlobId(bytes) !== blobId;
  return other ? "sent bytes with another hash than it lists" : undefined;
}
