/**
 * Models from the Hugging Face hub. A revision is pinned to its commit, files are kept in the cache by
 * that commit, and what the hub says of size and hash is checked before a file gets its name there: so
 * what the cache holds is whole. `HF_ENDPOINT` names another server, `HF_TOKEN` gives access to what is
 * not public, and with `HF_HUB_OFFLINE=1` only the cache is asked.
 */
import { dirname, join } from "node:path";
import { UserError } from "../engine/errors.ts";
import { fileError } from "../engine/file_errors.ts";
import { isJsonObject, type JsonObject, parseJsonObject } from "../engine/json.ts";
import { quote } from "../engine/quote.ts";
import { cacheDirectory } from "./cache.ts";
import { sha256Hex } from "./integrity.ts";
import { type Network, systemNetwork } from "./network.ts";
import { discardPartial, finishPartial, partialPath } from "./partial.ts";
import { granted } from "./permissions.ts";
import { backoff } from "./retry.ts";
import { transfer, TransferError } from "./transfer.ts";

/** Options of {@linkcode openHubModel}. */
export interface HubOptions {
  /** The server. @default {HF_ENDPOINT, or the public hub} */
  readonly endpoint?: string;
  /** Gives access to models that are not public. @default {HF_TOKEN} */
  readonly token?: string;
  /** Ask the cache alone. @default {HF_HUB_OFFLINE} */
  readonly offline?: boolean;
  /** The cache's folder. @default {cacheDirectory()} */
  readonly cacheDir?: string;
  /** The network and the clock. @default {systemNetwork} */
  readonly network?: Network;
  /** Tries a file, for faults that may pass. @default {5} */
  readonly tries?: number;
  /** Told in a line what is downloaded. */
  readonly log?: (line: string) => void;
}

/** A model on the hub, at one commit. */
export interface HubModel {
  /** Its name with the commit: "owner/name@0123abc". */
  readonly name: string;
  /** The commit. */
  readonly commit: string;
  /** Reads a file: undefined where the model has none of that name. */
  read(file: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

/** What the hub says of a file. */
interface HubFile {
  readonly size: number | undefined;
  readonly sha256: string | undefined;
}

/** More than any file of a model that fits into memory, and any listing. */
const [MAX_BYTES, MAX_LISTING] = [8e9, 4e6] as const;

/** Milliseconds for an answer, and without data. */
const [ANSWER, STALL] = [30_000, 30_000] as const;

const NAME = /^(?:[\w-][\w.-]*\/)?[\w-][\w.-]*$/;
const FILE = /^(?:[\w-][\w.-]*\/)*[\w-][\w.-]*$/;

function variable(name: string): string | undefined {
  if (!granted({ name: "env", variable: name })) return undefined;
  return Deno.env.get(name) || undefined;
}

/**
 * Opens a model.
 *
 * @param reference "owner/name" or "owner/name@revision", the revision a branch, tag or commit; "main"
 * if not given.
 * @throws {UserError} If the name is none, the hub refuses or cannot be reached, or offline nothing is in
 * the cache: the message says which and what to do.
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
  const folder = join(cacheDir, "hub", id.replace("/", "--"));
  const fetchFile = fetcher({ ...options, token: options.token ?? variable("HF_TOKEN") });
  const listingPath = join(folder, `${revision.replaceAll("/", "--")}.json`);
  const api = `${endpoint}/api/models/${id}/revision/${encodeURIComponent(revision)}?blobs=true`;
  let bytes = await readIfThere(listingPath);
  // A commit never changes; where a branch or a tag points to is asked again.
  if (bytes === undefined || (!offline && !/^[0-9a-f]{40}$/.test(revision))) {
    if (offline) throw notCached(id, listingPath);
    await fetchFile(api, listingPath, { what: `${id}@${revision}`, maxBytes: MAX_LISTING });
    bytes = await readIfThere(listingPath);
  }
  const { commit, files } = parseListing(bytes!, listingPath);
  const name = `${id}@${commit.slice(0, 12)}`;
  return {
    ...{ name, commit },
    read: async (file) => {
      const known = files.get(file);
      if (known === undefined || !FILE.test(file) || file.includes("..")) return undefined;
      const path = join(folder, commit, file);
      const there = await readIfThere(path);
      if (there !== undefined) return there;
      if (offline) throw notCached(`${name}: ${file}`, path);
      options.log?.(`${name}: downloading ${file}`);
      await fetchFile(`${endpoint}/${id}/resolve/${commit}/${file}`, path, {
        ...{ what: `${name}: ${file}`, maxBytes: known.size ?? MAX_BYTES },
        check: (found) => faultOf(found, known),
      });
      return await readIfThere(path);
    },
  };
}

function notCached(what: string, path: string): UserError {
  return new UserError(
    `${what} is not in the cache (${path}), and HF_HUB_OFFLINE forbids to fetch it: unset that, or ` +
      "name a folder that holds the model",
  );
}

function parseListing(
  bytes: Uint8Array,
  source: string,
): { commit: string; files: Map<string, HubFile> } {
  const json: JsonObject = parseJsonObject(new TextDecoder().decode(bytes), source);
  const { sha, siblings } = json;
  if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha) || !Array.isArray(siblings)) {
    throw new UserError(`${source} is no listing of a model: remove it, and check HF_ENDPOINT`);
  }
  const files = new Map<string, HubFile>();
  for (const entry of siblings) {
    if (!isJsonObject(entry) || typeof entry["rfilename"] !== "string") continue;
    const { rfilename, size, lfs } = entry;
    const hash = isJsonObject(lfs) ? lfs["sha256"] ?? lfs["oid"] : undefined;
    files.set(rfilename as string, {
      size: typeof size === "number" ? size : undefined,
      sha256: typeof hash === "string" ? hash : undefined,
    });
  }
  return { commit: sha, files };
}

async function faultOf(
  bytes: Uint8Array<ArrayBuffer>,
  { size, sha256 }: HubFile,
): Promise<string | undefined> {
  if (size !== undefined && bytes.length !== size) {
    return `sent ${bytes.length} of ${size} bytes`;
  }
  if (sha256 !== undefined && await sha256Hex(bytes) !== sha256) {
    return "sent bytes with another hash than it says";
  }
  return undefined;
}

async function readIfThere(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw fileError(error, `read ${path}`);
  }
}

/** Makes a function that fetches an address to a path, whole and checked or not at all. */
function fetcher(
  { network = systemNetwork, tries = 5, token, log }:
    & Omit<HubOptions, "token">
    & { readonly token: string | undefined },
) {
  const authorized: Network = token === undefined ? network : {
    ...network,
    // fetch leaves the token out where it is redirected to another host.
    fetch: (url, init) =>
      network.fetch(url, {
        ...init,
        headers: { ...init.headers as Record<string, string>, authorization: `Bearer ${token}` },
      }),
  };
  return async (
    address: string,
    path: string,
    { what, maxBytes, check }: {
      readonly what: string;
      readonly maxBytes: number;
      readonly check?: (bytes: Uint8Array<ArrayBuffer>) => Promise<string | undefined>;
    },
  ): Promise<void> => {
    const { host } = new URL(address);
    if (!network.mayReach(address)) {
      throw new UserError(`${what}: no permission to reach ${host} (--allow-net=${host})`);
    }
    try {
      await Deno.mkdir(dirname(path), { recursive: true });
    } catch (error) {
      throw fileError(error, `create ${dirname(path)}`);
    }
    for (let attempt = 1;; attempt++) {
      let problem: string;
      let mayPass = true;
      try {
        await transfer(address, path, {
          ...{ network: authorized, maxBytes, answerTimeout: ANSWER, stallTimeout: STALL },
        });
        const fault = await check?.(await Deno.readFile(partialPath(path)));
        if (fault === undefined) return await finishPartial(path);
        await discardPartial(path);
        problem = fault;
      } catch (error) {
        if (!(error instanceof TransferError)) throw error;
        problem = error.message;
        mayPass = error.kind === "transient";
        if (!mayPass) await discardPartial(path);
      }
      if (mayPass && attempt < tries) {
        const wait = backoff(attempt, network.random());
        log?.(`${what}: ${host}: ${problem}; trying again in ${(wait / 1000).toFixed(1)} s`);
        await network.sleep(wait);
        continue;
      }
      throw new UserError(
        `${what}: ${host}: ${problem}${attempt > 1 ? ` (tried ${attempt} times)` : ""}: ` +
          remedy(problem, token !== undefined),
      );
    }
  };
}

/** What a person can do. */
function remedy(problem: string, hasToken: boolean): string {
  const status = /^status (\d+)/.exec(problem)?.[1];
  if (status === "401" || status === "403") {
    return hasToken
      ? "HF_TOKEN gives no access to it; ask for access on the model's page, or use another token"
      : "there is no such public model; check the name, or set HF_TOKEN to a token that may read it";
  }
  if (status === "404") return "there is no such model, revision or file; check the name";
  return "try again later, name another server as HF_ENDPOINT, or a folder that holds the model";
}
