import { assertEquals, assertStringIncludes } from "@std/assert";
import { gunzip, gzip } from "../../../datasets/download/gzip.ts";

/** Packs with another implementation than that of the tests. */
async function packed(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const TEXT = new TextEncoder().encode("a garment of ten classes ".repeat(40));

Deno.test("gunzip() gives the content when the bound equals its length", async () => {
  assertEquals(gunzip(await packed(TEXT), TEXT.length), { bytes: TEXT });
});

Deno.test("gunzip() stops when the content exceeds the bound", async () => {
  const bomb = await packed(new Uint8Array(50_000_000));
  assertEquals(gunzip(bomb, 1000), {
    fault: "oversized",
    detail: "unpacks to more than 1000 bytes",
  });
  const result = gunzip(await packed(TEXT), TEXT.length - 1);
  assertEquals("fault" in result && result.fault, "oversized");
});

Deno.test("gunzip() reports truncated data when they end early at any byte", async () => {
  const bytes = await packed(TEXT);
  for (let length = 10; length < bytes.length; length++) {
    const result = gunzip(bytes.slice(0, length), TEXT.length);
    assertEquals("fault" in result && result.fault, "truncated", `cut to ${length}`);
  }
});

Deno.test("gunzip() never gives wrong content when a byte is altered", async () => {
  const bytes = await packed(TEXT);
  for (let at = 0; at < bytes.length; at++) {
    const result = gunzip(bytes.with(at, bytes[at]! ^ 0x10), TEXT.length);
    // A few bytes of the header (time, system) do not affect the content.
    if ("bytes" in result) assertEquals(result.bytes, TEXT, `byte ${at}`);
  }
  const checksum = gunzip(bytes.with(-8, bytes.at(-8)! ^ 1), TEXT.length);
  assertEquals("fault" in checksum && checksum.fault, "damaged");
  assertStringIncludes("detail" in checksum ? checksum.detail : "", "incorrect data check");
});

Deno.test("gzip() writes data that other programs unpack, without a time", async () => {
  const bytes = gzip(TEXT);
  assertEquals([...bytes.slice(0, 10)], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  assertEquals(new Uint8Array(await new Response(stream).arrayBuffer()), TEXT);
});
