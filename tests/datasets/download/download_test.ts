import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { downloader, DownloadError } from "../../../datasets/download/download.ts";
import { systemNetwork } from "../../../datasets/download/network.ts";
import { UserError } from "../../../base/errors.ts";
import { permitted } from "../../permissions.ts";
import {
  answerFile,
  CONTENT,
  downloadA,
  folderWith,
  hasServer,
  patientNetwork,
  serve,
  STORED,
  tinyDataset,
} from "../tiny_dataset.ts";

const A = STORED["a.gz"]!;
const encode = (text: string) => new TextEncoder().encode(text);

function test(name: string, fn: () => Promise<void>) {
  Deno.test({ name: `downloader() ${name}`, ignore: !hasServer, fn });
}

test("gives the content and keeps the file", async () => {
  const progress: [string, number, number | undefined][] = [];
  const { result, left, slept, requests } = await downloadA([answerFile], {
    onProgress: (...args) => progress.push(args),
  });
  assertEquals(result.bytes, CONTENT["a.gz"]);
  assertEquals(left, ["a.gz"]);
  assertEquals(slept, []);
  assertEquals(requests, [[{ name: "a.gz", range: null, ifRange: null }]]);
  assertEquals(progress.at(-1), ["a.gz", A.length, A.length]);
});

for (const status of [408, 429, 500, 503]) {
  test(`tries again after growing pauses when the status is ${status}`, async () => {
    const { result, slept, log } = await downloadA([
      (seen, count) => count < 2 ? new Response("x", { status }) : answerFile(seen),
    ]);
    assertEquals(result.bytes, CONTENT["a.gz"]);
    assertEquals(slept, [750, 1500]);
    assertStringIncludes(log[1]!, `status ${status}; trying again in 0.8 s (1 of 5 tries)`);
  });
}

test("waits for the time of Retry-After when the status is 429", async () => {
  const { result, slept } = await downloadA([
    (seen, count) =>
      count === 0
        ? new Response(null, { status: 429, headers: { "retry-after": "17" } })
        : answerFile(seen),
  ]);
  assertEquals(result.bytes, CONTENT["a.gz"]);
  assertEquals(slept, [17_000]);
});

test("does not wait when Retry-After asks for an hour", async () => {
  const headers = { "retry-after": "3600" };
  const { result, slept } = await downloadA([() => new Response(null, { status: 503, headers })]);
  assert(result instanceof DownloadError);
  assertStringIncludes(result.message, "status 503; asks to come back in 3600 s");
  assertEquals(slept, []);
});

test("stops after its attempts when the server keeps failing", async () => {
  const { result, slept, requests, left } = await downloadA([
    () => new Response(null, { status: 500 }),
  ], { tries: 3 });
  assert(result instanceof DownloadError);
  assertStringIncludes(result.message, "status 500 (tried 3 times)");
  assertEquals([slept.length, requests[0]!.length, left], [2, 3, []]);
});

for (const status of [403, 404, 410]) {
  test(`tries the next mirror at once when the status is ${status}`, async () => {
    const { result, slept, requests } = await downloadA([
      () => new Response("x", { status }),
      answerFile,
    ]);
    assertEquals(result.bytes, CONTENT["a.gz"]);
    assertEquals([slept, requests[0]!.length], [[], 1]);
  });
}

test("follows redirects", async () => {
  const { result } = await downloadA([
    (seen) =>
      seen.name === "a.gz"
        ? new Response(null, { status: 302, headers: { location: "/moved/a.gz" } })
        : answerFile({ ...seen, name: "a.gz" }),
  ]);
  assertEquals(result.bytes, CONTENT["a.gz"]);
});

test("gives up at once when the server redirects in a circle", async () => {
  const { result, slept } = await downloadA([
    () => new Response(null, { status: 302, headers: { location: "/a.gz" } }),
  ]);
  assert(result instanceof DownloadError);
  assertStringIncludes(result.message.toLowerCase(), "redirect");
  assertEquals(slept, []);
});

const POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n";
const WRONG: [string, Uint8Array<ArrayBuffer>, string][] = [
  ["other bytes", STORED["b.gz"]!, "truncated: 30000 bytes unpacked instead of 100000"],
  ["an altered byte", A.with(50_000, A[50_000]! ^ 1), "altered"],
  ["an HTML page", encode("<!DOCTYPE html><html>Sign in</html>"), "an HTML page"],
  ["a Git LFS pointer", encode(POINTER), "a Git LFS pointer"],
  ["nothing", encode(""), "refused what it sent: empty"],
];
for (const [what, bytes, message] of WRONG) {
  test(`refuses and leaves nothing when the server sends ${what}`, async () => {
    const { result, left } = await downloadA([() => new Response(bytes)]);
    assert(result instanceof DownloadError);
    assertStringIncludes(result.message, `refused what it sent: `);
    assertStringIncludes(result.message, message);
    assertEquals(left, []);
  });
  test(`takes the next mirror's file when the first sends ${what}`, async () => {
    const { result, left } = await downloadA([() => new Response(bytes), answerFile]);
    assertEquals(result.bytes, CONTENT["a.gz"]);
    assertEquals(left, ["a.gz"]);
  });
}

test("stops reading when the server sends too many bytes", async () => {
  const endless = () =>
    new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) });
  const { result } = await downloadA([() => new Response(endless())]);
  assert(result instanceof DownloadError);
  assertStringIncludes(result.message, "more than the 104194 bytes it may have");
});

test("tries again when the server ends early without an announced length", async () => {
  const { result, slept } = await downloadA([
    (seen, count) =>
      count === 0
        ? new Response(new Blob([A.slice(0, 40_000)]).stream()) // chunked: ends without an error
        : answerFile(seen),
  ]);
  assertEquals(result.bytes, CONTENT["a.gz"]);
  assertEquals(slept.length, 1);
});

test("tries a new host that never answers once and briefly", async () => {
  const silent = () => new Promise<Response>((answer) => setTimeout(answer, 300, new Response()));
  const { result, slept, requests } = await downloadA([silent, answerFile], {
    contactTimeout: 100,
  });
  assertEquals(result.bytes, CONTENT["a.gz"]);
  assertEquals([slept, requests[0]!.length], [[], 1]);
});

test("sends no request when the host may not be reached", async () => {
  const network = patientNetwork({ mayReach: () => false });
  const { result, requests } = await downloadA([answerFile], { network });
  assert(result instanceof DownloadError);
  assertStringIncludes(result.message, "no permission to reach it (--allow-net=127.0.0.1:");
  assertEquals(requests, [[]]);
});

test("stops waiting for the next attempt when it is aborted", async () => {
  const controller = new AbortController();
  const start = performance.now();
  const { result } = await downloadA([() => new Response(null, { status: 503 })], {
    network: { ...systemNetwork, random: () => 0.9 },
    signal: controller.signal,
    log: (line) => line.includes("trying again") && controller.abort(new UserError("interrupted")),
  });
  assert(result instanceof UserError);
  assert(performance.now() - start < 450);
});

test("passes errors in writing through", async () => {
  await using folder = await folderWith();
  await using sample = await folderWith();
  await using server = serve();
  const dataset = await tinyDataset([server.url], sample.path);
  const download = downloader({ network: patientNetwork() });
  const target = join(folder.path, "missing", "a.gz");
  await assertRejects(() => download(dataset.files[0]!, target), Deno.errors.NotFound);
});

/** A port of the loopback interface without a listener. */
function deadPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

test("tries a dead host once when several files have it as a mirror", async () => {
  await using folder = await folderWith();
  await using server = serve();
  const dead = `http://127.0.0.1:${deadPort()}`;
  const dataset = await tinyDataset([dead, server.url], folder.path);
  const network = patientNetwork();
  const requested: string[] = [];
  const counting = (url: string, init: RequestInit) => (requested.push(url), fetch(url, init));
  const download = downloader({ network: { ...network, fetch: counting } });
  for (const file of dataset.files) {
    const { bytes, address } = await download(file, join(folder.path, `new-${file.name}`));
    assertEquals(bytes, CONTENT[file.name]);
    assertEquals(address, `${server.url}/${file.name}`);
  }
  assertEquals(requested.map((url) => url.startsWith(dead)), [true, false, false]);
  assertEquals(network.slept, []);
});

test("tries again when the connection is reset before an answer", async () => {
  await using folder = await folderWith();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const hangUps = (async () => {
    for await (const connection of listener) connection.close();
  })();
  const dataset = await tinyDataset([`http://127.0.0.1:${listener.addr.port}`], folder.path);
  const network = patientNetwork();
  const download = downloader({ network, tries: 3 });
  const failing = () => download(dataset.files[0]!, join(folder.path, "new"));
  await assertRejects(failing, DownloadError, "(tried 3 times)");
  assertEquals(network.slept, [750, 1500]);
  listener.close();
  await hangUps;
});

Deno.test({
  name: "downloader() uses the proxy of the environment",
  ignore: !hasServer || !permitted({ name: "run", command: Deno.execPath() }, { name: "env" }),
  async fn() {
    await using folder = await folderWith();
    await using proxy = serve();
    const dataset = await tinyDataset(["http://files.invalid"], folder.path);
    const module = new URL("../../../datasets/download/download.ts", import.meta.url).href;
    const code = `import { downloader } from ${JSON.stringify(module)};
      const { address } = await downloader()(${JSON.stringify(dataset.files[0])}, "a.gz");
      console.log(address);`;
    const env = { HTTP_PROXY: proxy.url, http_proxy: proxy.url, NO_PROXY: "", no_proxy: "" };
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", code],
      cwd: folder.path,
      env,
      stderr: "inherit",
    }).output();
    assertEquals(new TextDecoder().decode(stdout), "http://files.invalid/a.gz\n");
    assertEquals(proxy.requests.map(({ name }) => name), ["a.gz"]);
  },
});
