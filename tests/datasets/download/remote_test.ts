import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { openDataset } from "../../../datasets/sources.ts";
import { UserError } from "../../../base/errors.ts";
import { permitted } from "../../permissions.ts";
import {
  answerFile,
  hasFiles,
  hasServer,
  namesIn,
  patientNetwork,
  serve,
  STORED,
} from "../tiny_dataset.ts";
import { assertWhole, places } from "../tiny_places.ts";

function test(name: string, fn: () => Promise<void>, ignore = !hasFiles) {
  Deno.test({ name: `openDataset() ${name}`, ignore, fn });
}

test("downloads into the cache when no place has the files, and then uses the cache", async () => {
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

test("downloads only the files that the cache lacks", async () => {
  await using server = serve();
  await using at = await places({ cached: { "a.gz": STORED["a.gz"]! }, mirrors: [server.url] });
  const opened = await openDataset(at.dataset, { ...at.options, network: patientNetwork() });
  assertEquals(opened.origin, "network");
  assertWhole(opened.contents);
  assertEquals(server.requests.map(({ name }) => name), ["b.gz"]);
}, !hasServer);

test("downloads once when several callers want the same files at the same time", async () => {
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

test("downloads once when two processes want the same files at the same time", async () => {
  await using server = serve(async (seen) => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    return answerFile(seen);
  });
  await using at = await places({ mirrors: [server.url] });
  const module = new URL("../../../datasets/sources.ts", import.meta.url).href;
  const dataset = { ...at.dataset, sample: { ...at.dataset.sample, folder: undefined } };
  const options = { cacheDir: at.options.cacheDir, systemFolder: null, allowSample: false };
  const code = `import { openDataset } from ${JSON.stringify(module)};
    const log = (line) => line.startsWith("waiting") && console.log("waited");
    const { origin } = await openDataset(${JSON.stringify(dataset)}, {
      ...${JSON.stringify(options)}, log,
    });
    console.log(origin);`;
  const open = async () => {
    const args = ["eval", "-q", code];
    const process = new Deno.Command(Deno.execPath(), { args, stderr: "inherit" });
    return new TextDecoder().decode((await process.output()).stdout).trim();
  };
  const opened = await Promise.all([open(), open()]);
  assertEquals(opened.sort(), ["network", "waited\ncache"]);
  assertEquals(await namesIn(at.cache), [".lock", "a.gz", "b.gz"]);
  for (const name of ["a.gz", "b.gz"]) {
    assertEquals(await Deno.readFile(join(at.cache, name)), STORED[name]);
  }
  assertEquals(server.requests.map(({ name }) => name), ["a.gz", "b.gz"]);
}, !hasServer || !permitted({ name: "run", command: Deno.execPath() }));

test("takes the sample and keeps nothing when every mirror sends wrong bytes", async () => {
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

test("takes the sample within contactTimeout when no host answers", async () => {
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

test("takes the sample and names NANODIFFUSION_CACHE when the cache cannot be made", async () => {
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

test("throws with advice when the disk is full", async () => {
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
