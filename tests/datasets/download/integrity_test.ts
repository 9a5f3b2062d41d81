import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { gzip } from "../../../datasets/download/gzip.ts";
import {
  type Fault,
  inspect,
  maxStoredBytes,
  sha256Hex,
} from "../../../datasets/download/integrity.ts";

const encode = (text: string) => new TextEncoder().encode(text);

// The hash of "abc" as FIPS 180-2 gives it (appendix B.1).
const ABC = {
  name: "abc",
  sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  size: 3,
  rows: 1,
};

Deno.test("sha256Hex() gives the published digest when hashing 'abc'", async () => {
  assertEquals(await sha256Hex(encode("abc")), ABC.sha256);
});

Deno.test("inspect() gives the content when a file is valid, packed or not", async () => {
  assertEquals(await inspect(encode("abc"), ABC), { bytes: encode("abc") });
  assertEquals(await inspect(gzip(encode("abc")), ABC), { bytes: encode("abc") });
});

Deno.test("inspect() gives the content when it only begins like a page", async () => {
  const review = encode("<html> is what this review begins with");
  const sha256 = createHash("sha256").update(review).digest("hex");
  const pin = { name: "x.csv", sha256, size: review.length, rows: 1 };
  assertEquals(await inspect(review, pin), { bytes: review });
});

const POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:ba7816bf\nsize 3\n";
const FAULTS: [string, Uint8Array<ArrayBuffer>, Fault, string][] = [
  ["it is empty", encode(""), "empty", "empty"],
  ["it is a Git LFS pointer", encode(POINTER), "Git LFS pointer", "does not contain them"],
  ["it is an HTML page", encode("\n<!DOCTYPE html><title>x"), "HTML page", "log-in"],
  ["it is HTML after a comment", encode("<!-- x --><HTML>"), "HTML page", "HTML page"],
  ["it is an XML page", encode('<?xml version="1.0"?><Error/>'), "XML page", "error messages"],
  ["it is cut", encode("ab"), "truncated", "truncated: 2 bytes unpacked instead of 3"],
  ["it is cut while packed", gzip(encode("abc")).slice(0, -3), "truncated", "gzip data end early"],
  ["it is a packed cut file", gzip(encode("ab")), "truncated", "2 bytes unpacked instead of 3"],
  ["it is longer", encode("abcd"), "altered", "altered: 4 bytes unpacked instead of 3"],
  ["it is a gzip bomb", gzip(new Uint8Array(1e6)), "altered", "unpacks to more than 3 bytes"],
  ["a byte is altered", encode("abd"), "altered", "instead of ba7816bf"],
  ["packed data are damaged", gzip(encode("abc")).fill(9, 12, 14), "altered", "altered: the gzip"],
];
for (const [when, bytes, fault, detail] of FAULTS) {
  Deno.test(`inspect() reports a fault when ${when}`, async () => {
    const found = await inspect(bytes, ABC);
    assert("fault" in found);
    assertEquals(found.fault, fault);
    assertStringIncludes(found.detail, detail);
  });
}

Deno.test("maxStoredBytes() leaves room when content cannot be compressed", () => {
  const noise = crypto.getRandomValues(new Uint8Array(65_536));
  assert(gzip(noise).length > noise.length);
  assert(gzip(noise).length <= maxStoredBytes({ ...ABC, size: noise.length }));
});
