import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { UserError } from "../../../base/errors.ts";
import {
  answerFile,
  brokenOff,
  CONTENT,
  downloadA,
  hasServer,
  type Seen,
  STORED,
} from "../tiny_dataset.ts";

const A = STORED["a.gz"]!;

function test(name: string, fn: () => Promise<void>) {
  Deno.test({ name: `downloader() ${name}`, ignore: !hasServer, fn });
}

/** Sends 40,000 bytes and breaks off; then answers as a server with ranges does. */
function breaking(seen: Seen, count: number, etag = '"v1"'): Response {
  return count === 0 ? brokenOff(40_000, '"v1"') : answerFile(seen, count, etag);
}

test("resumes where the connection broke off when the server has ranges", async () => {
  const { result, requests, left, log } = await downloadA([breaking]);
  assertEquals(result.bytes, CONTENT["a.gz"]);
  assertEquals(requests[0]!.slice(1), [{
    name: "a.gz",
    range: "bytes=40000-",
    ifRange: '"v1"',
  }]);
  assertStringIncludes(log[1]!, "broke off at byte 40000");
  assertEquals(left, ["a.gz"]);
});

test("starts again when the file on the server has changed", async () => {
  const { result, requests } = await downloadA([(seen, count) => breaking(seen, count, '"v2"')]);
  assertEquals(result.bytes, CONTENT["a.gz"]);
  assertEquals(requests[0]!.length, 2); // the second answer is the whole file: If-Range fails
});

test("starts again when the server gave no strong validator", async () => {
  const { result, requests } = await downloadA([
    (seen, count) => count === 0 ? brokenOff(40_000, 'W/"v1"') : answerFile(seen),
  ]);
  assertEquals(result.bytes, CONTENT["a.gz"]);
  assertEquals(requests[0]!.map(({ range }) => range), [null, null]);
});

test("starts again when the server answers with another range than requested", async () => {
  const headers = { "content-range": `bytes 7-${A.length - 1}/${A.length}` };
  const { result, requests } = await downloadA([
    (seen, count) =>
      count === 1 ? new Response(A.slice(7), { status: 206, headers }) : breaking(seen, count),
  ]);
  assertEquals(result.bytes, CONTENT["a.gz"]);
  assertEquals(requests[0]!.map(({ range }) => range), [null, "bytes=40000-", null]);
});

test("starts again when the parts do not fit together", async () => {
  const { result, requests } = await downloadA([answerFile], {}, async (folder, [url]) => {
    await Deno.writeFile(join(folder, "a.gz.part"), new Uint8Array(40_000));
    const notes = { address: `${url}/a.gz`, validator: '"v1"' };
    await Deno.writeTextFile(join(folder, "a.gz.part.json"), JSON.stringify(notes));
  });
  assertEquals(result.bytes, CONTENT["a.gz"]);
  assertEquals(requests[0]!.map(({ range }) => range), ["bytes=40000-", null]);
});

for (const length of [40_000, A.length]) {
  test(`resumes after ${length} bytes when an earlier process was killed there`, async () => {
    const { result, requests, left } = await downloadA([answerFile], {}, async (folder, [url]) => {
      await Deno.writeFile(join(folder, "a.gz.part"), A.slice(0, length));
      const notes = { address: `${url}/a.gz`, validator: '"v1"' };
      await Deno.writeTextFile(join(folder, "a.gz.part.json"), JSON.stringify(notes));
    });
    assertEquals(result.bytes, CONTENT["a.gz"]);
    assertEquals(requests[0]!.map(({ range }) => range), [`bytes=${length}-`]);
    assertEquals(left, ["a.gz"]);
  });
}

for (const notes of ["", "null", "[]", '{"address":1}', "{", '{"__proto__":{"validator":"x"}}']) {
  test(`starts again when an earlier process left the notes ${notes}`, async () => {
    const { result, requests } = await downloadA([answerFile], {}, async (folder) => {
      await Deno.writeFile(join(folder, "a.gz.part"), A.slice(0, 10));
      await Deno.writeTextFile(join(folder, "a.gz.part.json"), notes);
    });
    assertEquals(result.bytes, CONTENT["a.gz"]);
    assertEquals(requests[0]![0]!.range, null);
  });
}

test("breaks off and resumes when the server stalls", async () => {
  let cancelled = false;
  const stalling = new ReadableStream({
    start: (controller) => controller.enqueue(A.slice(0, 40_000)),
    cancel: () => void (cancelled = true),
  });
  const { result, requests, log } = await downloadA([
    (seen, count) =>
      count === 0 ? new Response(stalling, { headers: { etag: '"v1"' } }) : answerFile(seen),
  ], { stallTimeout: 100 });
  assertEquals(result.bytes, CONTENT["a.gz"]);
  assertEquals(requests[0]!.map(({ range }) => range), [null, "bytes=40000-"]);
  assertStringIncludes(log[1]!, "broke off at byte 40000: no further 16 KiB within 0.1 s");
  assertEquals(cancelled, true);
});

test("treats a trickle of data as a stall", async () => {
  const trickle = new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      controller.enqueue(Uint8Array.of(1));
    },
  });
  const { result, log } = await downloadA([
    (seen, count) => count === 0 ? new Response(trickle) : answerFile(seen),
  ], { stallTimeout: 100 });
  assertEquals(result.bytes, CONTENT["a.gz"]);
  assertStringIncludes(log[1]!, "no further 16 KiB");
});

test("stops at once and keeps the partial file when it is aborted", async () => {
  const controller = new AbortController();
  const { result, left } = await downloadA([breaking], {
    signal: controller.signal,
    onProgress: () => controller.abort(new UserError("interrupted")),
  });
  assert(result instanceof UserError);
  assertEquals([result.message, left], ["interrupted", ["a.gz.part", "a.gz.part.json"]]);
});

for (const validator of ['"v1"\n', "", "\u0000", "\u20ac", 7, null]) {
  test(`starts again when the notes contain the validator ${JSON.stringify(validator)}`, async () => {
    const { result, requests, left } = await downloadA([(seen) => answerFile(seen)], {}, async (
      folder,
      [url],
    ) => {
      const notes = JSON.stringify({ address: `${url}/a.gz`, validator });
      await Deno.writeFile(join(folder, "a.gz.part"), A.slice(0, 40_000));
      await Deno.writeTextFile(join(folder, "a.gz.part.json"), notes);
    });
    assertEquals(result.bytes, CONTENT["a.gz"]);
    assertEquals(requests[0]!.map(({ range }) => range), [null]);
    assertEquals(left, ["a.gz"]);
  });
}
