/** A small data set, with a server and folders for it. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Dataset } from "../../datasets/dataset.ts";
import { downloader, type DownloadOptions } from "../../datasets/download/download.ts";
import { gzip } from "../../datasets/download/gzip.ts";
import { type Network, systemNetwork } from "../../datasets/download/network.ts";
import { randomStream } from "../../nn/random.ts";
import { permitted } from "../permissions.ts";

/** Whether tests may make folders and write to them. */
export const hasFiles: boolean = permitted({ name: "read" }, { name: "write" });

/** Whether tests may also run a server and reach it. */
export const hasServer: boolean = hasFiles && permitted({ name: "net", host: "127.0.0.1" });

/** Content that gzip cannot compress, so that a transfer can be cut at any length. */
function noise(seed: number, length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(randomStream(seed).integers(length, 0, 256));
}

/** The data set's contents by file name. */
export const CONTENT: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  "a.gz": noise(1, 100_000),
  "b.gz": noise(2, 30_000),
};

/** The data set's files as they are stored and sent. */
export const STORED: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = Object.fromEntries(
  Object.entries(CONTENT).map(([name, bytes]) => [name, gzip(bytes)]),
);

const SAMPLE = noise(3, 500);

function pin(name: string, bytes: Uint8Array) {
  return {
    name,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    size: bytes.length,
    rows: bytes.length,
  };
}

/** A folder with some files, which is removed at the end of its scope. */
export async function folderWith(files: Readonly<Record<string, Uint8Array>> = {}) {
  const path = await Deno.makeTempDir({ prefix: "datasets-" });
  for (const [name, bytes] of Object.entries(files)) {
    await Deno.mkdir(join(path, name, ".."), { recursive: true });
    await Deno.writeFile(join(path, name), bytes);
  }
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** The names in a folder, sorted. */
export async function namesIn(folder: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  return entries.map(({ name }) => name).sort();
}

/** The data set, with its files on the given mirrors and its sample in the given folder. */
export async function tinyDataset(mirrors: readonly string[], sampleFolder: string) {
  await Deno.writeFile(join(sampleFolder, "a.gz"), gzip(SAMPLE));
  return {
    title: "Tiny",
    id: "tiny",
    files: Object.entries(CONTENT).map(([name, bytes]) => ({
      ...pin(name, bytes),
      addresses: mirrors.map((mirror) => `${mirror}/${name}`),
    })),
    otherFolders: ["Tiny/raw"],
    sample: {
      folder: pathToFileURL(sampleFolder + "/"),
      files: [pin("a.gz", SAMPLE)],
      description: "500 of 130,000 bytes",
    },
  } satisfies Dataset;
}

/** A request as the server received it. */
export interface Seen {
  /** The requested file. */
  readonly name: string;
  /** Its `Range`, or null. */
  readonly range: string | null;
  /** Its `If-Range`, or null. */
  readonly ifRange: string | null;
}

/** Answers as a common file server does, ranges included. */
export function answerFile(
  { name, range, ifRange }: Seen,
  _count = 0,
  etag = '"v1"',
): Response {
  const bytes = STORED[name];
  if (bytes === undefined) return new Response("no such file", { status: 404 });
  const first = /^bytes=(\d+)-$/.exec(range ?? "")?.[1];
  if (first === undefined || ifRange !== etag) return new Response(bytes, { headers: { etag } });
  const headers = { etag, "content-range": `bytes ${first}-${bytes.length - 1}/${bytes.length}` };
  return Number(first) < bytes.length
    ? new Response(bytes.subarray(Number(first)), { status: 206, headers })
    : new Response(null, { status: 416, headers: { "content-range": `bytes */${bytes.length}` } });
}

/**
 * A server on the loopback interface.
 *
 * @param answer Answers a request; `count` is the number of requests before it.
 */
export function serve(
  answer: (seen: Seen, count: number) => Response | Promise<Response> = answerFile,
) {
  const requests: Seen[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const seen = {
      name: new URL(request.url).pathname.slice(1),
      range: request.headers.get("range"),
      ifRange: request.headers.get("if-range"),
    };
    requests.push(seen);
    return answer(seen, requests.length - 1);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    requests,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** An answer that announces all of a.gz, but ends after some bytes. */
export function brokenOff(length: number, etag: string): Response {
  const all = STORED["a.gz"]!;
  const headers = { etag, "content-length": String(all.length) };
  return new Response(new Blob([all.slice(0, length)]).stream(), { headers });
}

/** The real network with a clock that only `sleep` advances: it does not wait, but records the times. */
export function patientNetwork(changes: Partial<Network> = {}): Network & { slept: number[] } {
  const slept: number[] = [];
  let now = Date.UTC(2025, 0, 1);
  return {
    ...systemNetwork,
    sleep: async (milliseconds) => {
      slept.push(milliseconds);
      now += milliseconds;
      await new Promise((resolve) => setTimeout(resolve, 1));
    },
    now: () => now,
    random: () => 0.5,
    ...changes,
    slept,
  };
}

/** Downloads a.gz from servers with given answers. @returns The result or error, and the files left. */
export async function downloadA(
  answers: ((seen: Seen, count: number) => Response | Promise<Response>)[],
  options: DownloadOptions = {},
  before: (folder: string, urls: string[]) => Promise<void> = () => Promise.resolve(),
) {
  await using folder = await folderWith();
  await using sample = await folderWith();
  await using stack = new AsyncDisposableStack();
  const servers = answers.map((answer) => stack.use(serve(answer)));
  const dataset = await tinyDataset(servers.map(({ url }) => url), sample.path);
  await before(folder.path, servers.map(({ url }) => url));
  const network = patientNetwork();
  const log: string[] = [];
  const download = downloader({ network, log: (line) => log.push(line), ...options });
  const result = await download(dataset.files[0]!, join(folder.path, "a.gz")).catch((e) => e);
  return {
    result,
    log,
    slept: network.slept,
    requests: servers.map(({ requests }) => requests),
    left: await namesIn(folder.path),
  };
}
