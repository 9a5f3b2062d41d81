import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import type { Dataset } from "../../datasets/dataset.ts";
import { describeSource, openDataset, type SourceOptions } from "../../datasets/sources.ts";
import { EXIT, UserError } from "../../engine/errors.ts";
import {
  answerFile,
  CONTENT,
  folderWith,
  hasFiles,
  hasServer,
  namesIn,
  patientNetwork,
  serve,
  STORED,
  tinyDataset,
} from "./tiny_dataset.ts";

const NO_NETWORK = patientNetwork({ mayReach: () => false });

/** Folders for the cache, a system package and the sample, the middle one with the given files. */
async function places(
  { cached = {}, system = {}, mirrors = ["http://127.0.0.1:1"] }: {
    cached?: Record<string, Uint8Array>;
    system?: Record<string, Uint8Array>;
    mirrors?: string[];
  } = {},
) {
  const stack = new AsyncDisposableStack();
  const inCache = Object.entries(cached).map(([name, bytes]) => [`tiny/${name}`, bytes]);
  const cache = stack.use(await folderWith(Object.fromEntries(inCache))).path;
  const systemFolder = stack.use(await folderWith(system)).path;
  const sample = stack.use(await folderWith()).path;
  const dataset: Dataset = await tinyDataset(mirrors, sample);
  return {
    dataset,
    cache: join(cache, "tiny"),
    systemFolder,
    sample,
    options: { cacheDir: cache, systemFolder, network: NO_NETWORK } satisfies SourceOptions,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function test(name: string, fn: () => Promise<void>, ignore = !hasFiles) {
  Deno.test({ name: `openDataset() ${name}`, ignore, fn });
}

function assertWhole(contents: ReadonlyMap<string, Uint8Array<ArrayBuffer>>) {
  assertEquals(Object.fromEntries(contents), { ...CONTENT });
}

test("takes the cache when it and the system's folder have the files", async () => {
  await using at = await places({ cached: STORED, system: STORED });
  const opened = await openDataset(at.dataset, at.options);
  assertEquals([opened.origin, opened.place, opened.passedOver], ["cache", at.cache, []]);
  assertWhole(opened.contents);
  const hashes = at.dataset.files.map(({ name, sha256 }) => [name, sha256]);
  assertEquals(opened.sha256, Object.fromEntries(hashes));
});

test("takes the system's folder when the cache lacks a file", async () => {
  await using at = await places({ cached: { "a.gz": STORED["a.gz"]! }, system: STORED });
  const opened = await openDataset(at.dataset, at.options);
  assertEquals([opened.origin, opened.place], ["system", at.systemFolder]);
  assertEquals(opened.passedOver, [`cache: ${at.cache} lacks b.gz`]);
});

test("reads files when they were unpacked", async () => {
  await using at = await places({ cached: { "a": CONTENT["a.gz"]!, "b.gz": CONTENT["b.gz"]! } });
  const opened = await openDataset(at.dataset, at.options);
  assertEquals(opened.origin, "cache");
  assertWhole(opened.contents);
});

test("takes the sample and says why when there is nothing else", async () => {
  await using at = await places();
  const opened = await openDataset(at.dataset, at.options);
  assertEquals([opened.origin, [...opened.contents.keys()]], ["sample", ["a.gz"]]);
  assertEquals(opened.sha256, { "a.gz": at.dataset.sample.files[0]!.sha256 });
  assertEquals(opened.passedOver, [
    `cache: nothing in ${at.cache}`,
    `system: nothing in ${at.systemFolder}`,
    "network: no permission to reach 127.0.0.1:1",
  ]);
  const line = describeSource(at.dataset, opened);
  assertStringIncludes(line, "Tiny: ONLY THE BUNDLED SAMPLE, 500 of 130,000 bytes, because the");
  assertEquals(line.includes("\n"), false);
});

test("throws with all reasons when the sample is not allowed", async () => {
  await using at = await places();
  const open = () => openDataset(at.dataset, { ...at.options, allowSample: false });
  const error = await assertRejects(open, UserError, "Tiny cannot be had (cache: nothing in");
  assertStringIncludes(error.message, "--data-dir");
  assertEquals(error.exitCode, EXIT.failed);
});

test("takes the sample alone when told so", async () => {
  await using at = await places({ cached: STORED });
  const opened = await openDataset(at.dataset, { ...at.options, sampleOnly: true });
  assertEquals([opened.origin, opened.place, opened.passedOver], ["sample", at.sample + "/", []]);
  assertEquals(
    describeSource(at.dataset, opened),
    "Tiny: ONLY THE BUNDLED SAMPLE, 500 of 130,000 bytes",
  );
});

test("names what to restore when the sample is not whole", async () => {
  await using at = await places();
  await Deno.remove(join(at.sample, "a.gz"));
  const open = () => openDataset(at.dataset, at.options);
  await assertRejects(open, UserError, "bundled sample lacks a.gz; restore it with `git checkout`");
});

for (const folder of ["", "tiny/", "Tiny/raw/"]) {
  test(`takes the user's folder when the files lie in DIR/${folder}`, async () => {
    await using at = await places({ cached: STORED, system: STORED });
    const files = Object.entries(STORED).map(([name, bytes]) => [folder + name, bytes]);
    await using mine = await folderWith(Object.fromEntries(files));
    const opened = await openDataset(at.dataset, { ...at.options, dataDir: mine.path });
    assertEquals(join(opened.place, "."), join(mine.path, folder, "."));
    assertEquals(opened.origin, "data-dir");
    assertWhole(opened.contents);
  });
}

test("throws when the user's folder has nothing, though other places have all", async () => {
  await using at = await places({ cached: STORED, system: STORED });
  await using mine = await folderWith();
  for (const dataDir of [mine.path, join(mine.path, "missing")]) {
    const open = () => openDataset(at.dataset, { ...at.options, dataDir });
    const error = await assertRejects(open, UserError, "--data-dir: nothing of Tiny in");
    assertStringIncludes(error.message, "put a.gz, b.gz there, or leave --data-dir out");
    assertEquals(error.exitCode, EXIT.usage);
  }
});

test("throws when the user's folder lacks one file", async () => {
  await using at = await places({ cached: STORED });
  await using mine = await folderWith({ "a.gz": STORED["a.gz"]! });
  const open = () => openDataset(at.dataset, { ...at.options, dataDir: mine.path });
  await assertRejects(open, UserError, "lacks b.gz; put them there too");
});

const b = STORED["b.gz"]!;
const encode = (text: string) => new TextEncoder().encode(text);
const BAD: [string, Uint8Array, string][] = [
  [
    "a Git LFS pointer",
    encode("version https://git-lfs.github.com/spec/v1\n"),
    "a Git LFS pointer, which names the data but does not hold them; run `git lfs pull` there, or",
  ],
  ["an HTML page", encode("<!doctype html>"), "an HTML page, as error and log-in pages are; "],
  [
    "truncated",
    b.slice(0, -100),
    `truncated: the gzip data end early, at byte ${b.length - 100}; `,
  ],
  ["altered", b.with(20_000, b[20_000]! ^ 1), "altered: "],
  ["another file", STORED["a.gz"]!, "altered: 100053 bytes instead of at most 34126; "],
  ["empty", new Uint8Array(0), "empty; "],
];
for (const [what, bytes, message] of BAD) {
  test(`refuses a file by name wherever it lies when it is ${what}`, async () => {
    const files = { ...STORED, "b.gz": bytes };
    await using at = await places({ cached: files });
    await using mine = await folderWith(files);
    const { options } = at;
    const cases: [SourceOptions, string, string][] = [
      [options, at.cache, "remove it, and it is downloaded again"],
      [{ ...options, dataDir: mine.path }, mine.path, "or leave --data-dir out"],
      [{ ...options, cacheDir: null, systemFolder: mine.path }, mine.path, "reinstall its package"],
    ];
    for (const [options, folder, remedy] of cases) {
      const error = await assertRejects(() => openDataset(at.dataset, options), UserError);
      assertStringIncludes(error.message, `${join(folder, "b.gz")}: ${message}`);
      assertStringIncludes(error.message, remedy);
      assertEquals(error.exitCode, EXIT.failed);
    }
  });
}

test("refuses what is no file when a folder has a file's name", async () => {
  await using at = await places({ cached: STORED });
  await Deno.remove(join(at.cache, "b.gz"));
  await Deno.mkdir(join(at.cache, "b.gz"));
  await assertRejects(() => openDataset(at.dataset, at.options), UserError, "b.gz: not a file; ");
});

test("downloads into the cache, and finds it there, when nothing else has the files", async () => {
  await using server = serve();
  await using at = await places({ mirrors: [server.url] });
  const options = { ...at.options, network: patientNetwork() };
  const first = await openDataset(at.dataset, options);
  assertEquals([first.origin, first.place], ["network", at.cache]);
  assertWhole(first.contents);
  assertEquals(await namesIn(at.cache), [".lock", "a.gz", "b.gz"]);
  const second = await openDataset(at.dataset, options);
  assertEquals(second.origin, "cache");
  assertWhole(second.contents);
  assertEquals(server.requests.length, 2);
}, !hasServer);

test("downloads only what the cache lacks when it has a part", async () => {
  await using server = serve();
  await using at = await places({ cached: { "a.gz": STORED["a.gz"]! }, mirrors: [server.url] });
  const opened = await openDataset(at.dataset, { ...at.options, network: patientNetwork() });
  assertEquals(opened.origin, "network");
  assertWhole(opened.contents);
  assertEquals(server.requests.map(({ name }) => name), ["b.gz"]);
}, !hasServer);

test("downloads once when two want the same files at the same time", async () => {
  await using server = serve(async (seen) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return answerFile(seen);
  });
  await using at = await places({ mirrors: [server.url] });
  const log: string[] = [];
  const open = () =>
    openDataset(at.dataset, {
      ...at.options,
      network: patientNetwork(),
      log: (line) => log.push(line),
    });
  const opened = await Promise.all([open(), open(), open()]);
  assertEquals(opened.map(({ origin }) => origin).sort(), ["cache", "cache", "network"]);
  for (const { contents } of opened) assertWhole(contents);
  assertEquals(server.requests.length, 2);
  assertEquals(log.filter((line) => line.startsWith("waiting for ")).length, 2);
}, !hasServer);

test("takes the sample and keeps no wrong bytes when every mirror sends them", async () => {
  await using server = serve(() => new Response("<html>Sign in to the hotel's network</html>"));
  await using at = await places({ mirrors: [server.url] });
  const opened = await openDataset(at.dataset, { ...at.options, network: patientNetwork() });
  assertEquals(opened.origin, "sample");
  assertStringIncludes(
    opened.passedOver[2]!,
    `network: a.gz from ${new URL(server.url).host}: refused what it sent: an HTML`,
  );
  assertEquals(await namesIn(at.cache), [".lock"]);
}, !hasServer);

test("takes the sample at once when there is no network", async () => {
  await using at = await places({ mirrors: ["http://127.0.0.1:1", "http://no-such-host.invalid"] });
  const network = patientNetwork({ mayReach: () => true });
  const refuse = (url: string) => {
    const cause = new Error(`error sending request for url (${url}): client error (Connect): x`);
    return Promise.reject(new TypeError("fetch failed", { cause }));
  };
  const opened = await openDataset(at.dataset, {
    ...at.options,
    network: { ...network, fetch: refuse },
  });
  assertEquals(opened.origin, "sample");
  assertEquals(network.slept, []);
  assertStringIncludes(
    opened.passedOver[2]!,
    "a.gz from 127.0.0.1:1: client error (Connect): x; from",
  );
});

test("takes the sample within its time when hosts swallow every packet", async () => {
  await using at = await places({ mirrors: ["http://one.invalid", "http://two.invalid"] });
  const network = patientNetwork({
    mayReach: () => true,
    fetch: (_, { signal }) =>
      new Promise((_, reject) =>
        signal!.addEventListener("abort", () => reject(new DOMException("x", "AbortError")))
      ),
  });
  const start = performance.now();
  const opened = await openDataset(at.dataset, { ...at.options, network, contactTimeout: 60 });
  const elapsed = performance.now() - start;
  assertEquals(opened.origin, "sample");
  assertStringIncludes(opened.passedOver[2]!, "no answer within 0.03 s");
  assert(elapsed >= 55 && elapsed < 1000, `${elapsed} ms`);
});

test("takes the sample and says what to set when the cache cannot be made", async () => {
  await using server = serve();
  await using at = await places({ mirrors: [server.url] });
  const network = patientNetwork();
  const inFile = await openDataset(at.dataset, {
    ...at.options,
    network,
    cacheDir: join(at.sample, "a.gz"),
  });
  assertEquals(inFile.origin, "sample");
  assertStringIncludes(inFile.passedOver[2]!, "set NANODIFFUSION_CACHE to a folder that can be");
  const none = await openDataset(at.dataset, { ...at.options, network, cacheDir: null });
  assertStringIncludes(none.passedOver[2]!, "no folder to keep downloads in");
  assertEquals(server.requests, []);
}, !hasServer);

test("says what to free when the disk is full", async () => {
  await using at = await places({ mirrors: ["http://one.invalid"] });
  const full = Object.assign(new Error("No space left on device (os error 28)"), {
    code: "ENOSPC",
  });
  const network = patientNetwork({ mayReach: () => true });
  const open = () =>
    openDataset(at.dataset, {
      ...at.options,
      network: { ...network, fetch: () => Promise.resolve(new Response("x")) },
      onProgress: () => {
        throw full;
      },
    });
  await assertRejects(open, UserError, "the disk is full; free 1 MB, or set NANODIFFUSION_CACHE");
});

test("throws the signal's reason when it is aborted", async () => {
  await using at = await places({ mirrors: ["http://one.invalid"] });
  const signal = AbortSignal.abort(new UserError("interrupted"));
  const network = patientNetwork({ mayReach: () => true });
  const open = () => openDataset(at.dataset, { ...at.options, network, signal });
  await assertRejects(open, UserError, "interrupted");
});
