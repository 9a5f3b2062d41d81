import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { encode } from "fast-png";
import { crc32 } from "node:zlib";
import { UserError } from "../../base/errors.ts";
import { type ImageFolderOptions, loadImageFolder } from "../../datasets/image_folder.ts";
import { inFolder } from "../in_folder.ts";
import { permitted } from "../permissions.ts";
import { runSnippet, snippetsWork } from "../run_snippet.ts";

const ignore = !permitted({ name: "read" }, { name: "write" }, { name: "sys" });

/** A PNG file of one color; RGB, or with opacity. */
function png(width: number, height: number, color: readonly number[]): Uint8Array {
  const data = Uint8Array.from(
    { length: width * height * color.length },
    (_, i) => color[i % color.length]!,
  );
  return encode({ width, height, data, channels: color.length, depth: 8 });
}

/** Writes files by their paths into a folder, and loads it without a cache. */
async function load(
  folder: string,
  files: Readonly<Record<string, Uint8Array>>,
  options: ImageFolderOptions = {},
) {
  for (const [path, bytes] of Object.entries(files)) {
    await Deno.mkdir(`${folder}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeFile(`${folder}/${path}`, bytes);
  }
  return await loadImageFolder(folder, { cacheDir: null, ...options });
}

/** Files of different shades. */
function shades(folder: string, count: number, size = 8): Record<string, Uint8Array> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`${folder}/${i}.png`, png(size, size, [i, 10, 20])]),
  );
}

const test = (name: string, fn: (folder: string) => Promise<void>) =>
  Deno.test({ name: `loadImageFolder() ${name}`, ignore, fn: () => inFolder(fn) });

test("takes folders as classes, and holds out a tenth, no copy of an image on both sides", async (folder) => {
  const files = { ...shades("b", 20), ...shades("a", 20), "a/copy.png": png(8, 8, [3, 10, 20]) };
  const set = await load(folder, files);
  assertEquals([set.height, set.width, set.channels], [8, 8, 3]);
  assertEquals(set.classNames, ["a", "b"]);
  const imagesOf = ({ images, labels }: typeof set.train) =>
    Array.from(labels, (label, i) => `${label} ${images.subarray(192 * i, 192 * (i + 1))}`);
  const [train, heldOut] = [imagesOf(set.train), imagesOf(set.validation)];
  assertEquals(train.length + heldOut.length, 41);
  assert(heldOut.length >= 1 && heldOut.length <= 4, `${heldOut.length} held out`);
  const pixels = (image: string) => image.slice(2);
  const shared = new Set(train.map(pixels)).intersection(new Set(heldOut.map(pixels)));
  assertEquals([...shared], []); // "a" and "b" have the same shades: copies, too
  const again = await load(folder, {});
  assertEquals(again.sha256, set.sha256);
});

test("takes a flat folder as images without classes", async (folder) => {
  const set = await load(folder, { "a.png": png(8, 8, [9, 9, 9]), "b.png": png(8, 8, [7, 7, 7]) });
  assertEquals(set.classNames, []);
  assertEquals([set.train.labels.length, set.validation.labels.length], [1, 1]);
});

test("cuts the middle out, puts transparent pixels on white, and converts to grey", async (folder) => {
  // 16x8: black, a white middle of 8x8, black.
  const wide = new Uint8Array(16 * 8).map((_, i) => i % 16 >= 4 && i % 16 < 12 ? 255 : 0);
  const files = {
    "wide.png": encode({ width: 16, height: 8, data: wide, channels: 1, depth: 8 }),
    "clear.png": png(8, 8, [200, 0, 0, 0]),
    "red.png": png(8, 8, [255, 0, 0]),
  };
  const set = await load(folder, files, { size: 8, channels: 1 });
  const values = [...set.train.images, ...set.validation.images];
  assertEquals(values.length, 3 * 64);
  assertEquals(values.filter((value) => value === 255).length, 2 * 64);
  // Red has the luminance 0.2126 in linear light, which is 0.4985 in sRGB: 127.
  assertEquals(values.filter((value) => Math.abs(value - 127) <= 1).length, 64);
});

test("chooses grey for grey files, and the size that fits", async (folder) => {
  const grey = (side: number) =>
    encode({ width: side, height: side, data: new Uint8Array(side ** 2), channels: 1, depth: 8 });
  const same = await load(folder, {
    "a.png": grey(12),
    "b/x.txt": new Uint8Array(1),
    "c.png": png(12, 12, [1]),
  });
  assertEquals([same.height, same.channels], [12, 1]);
  const mixed = await load(folder, { "d.png": grey(50), "e.png": grey(90) });
  assertEquals(mixed.height, 12);
});

test("skips, names and counts files that are no images, or too small", async (folder) => {
  const log: string[] = [];
  const files = {
    ...shades("a", 3),
    "a/text.png": new TextEncoder().encode("text"),
    "a/cut.png": png(8, 8, [1, 2, 3]).slice(0, 60),
    "a/small.png": png(4, 4, [1, 2, 3]),
  };
  const set = await load(folder, files, { size: 8, log: (line) => log.push(line) });
  assertEquals(set.train.labels.length + set.validation.labels.length, 3);
  assertStringIncludes(set.description, "3 skipped");
  assertEquals(log.length, 3);
  assertStringIncludes(log.join("\n"), "small.png: 4x4 pixels are fewer than 8x8");
});

test("refuses a picture that claims too many pixels before it takes memory", async (folder) => {
  const huge = png(8, 8, [1, 2, 3]);
  new DataView(huge.buffer).setUint32(16, 100_000);
  new DataView(huge.buffer).setUint32(20, 100_000);
  const log: string[] = [];
  const before = Deno.memoryUsage().rss;
  await load(folder, { ...shades("a", 2), "a/huge.png": huge }, { log: (line) => log.push(line) });
  assertStringIncludes(log[0]!, "huge.png");
  assert(Deno.memoryUsage().rss - before < 5e8);
});

test("decodes the middle of a long strip alone, in little memory", async (folder) => {
  // A strip of 1,000,000 x 20 pixels, white in the middle, and one that claims 4,194,328 x 20.
  const [width, height] = [1e6, 20];
  const data = new Uint8Array(width * height).map((_, i) =>
    Math.abs(i % width - width / 2) <= 12 ? 255 : 0
  );
  const strip = encode({ width, height, data, channels: 1, depth: 8 });
  const broken = png(24, 20, [1, 2, 3, 4]);
  new DataView(broken.buffer).setUint32(16, 4_194_328);
  new DataView(broken.buffer).setUint32(29, crc32(broken.subarray(12, 29)));
  const files = { ...shades("a", 1), "a/strip.png": strip, "a/broken.png": broken };
  const set = await load(folder, files, { size: 8 });
  const pixels = [...set.train.images, ...set.validation.images];
  assertEquals(pixels.filter((value) => value === 255).length, 8 * 8 * 3);
  if (!snippetsWork) return;
  // The peak of a process of its own, since other tests take memory, too. It was 350 to 1,014 MiB, by how the
  // decoder's threads come; decoded whole, the strips take 3,786 MiB.
  const { stdout, stderr } = await runSnippet(
    { loadImageFolder: "datasets/image_folder.ts" },
    `await loadImageFolder(${JSON.stringify(folder)}, { size: 8, cacheDir: null });
    const { resourceUsage } = await import("node:process");
    console.log(resourceUsage().maxRSS / 2 ** 10);`,
  );
  const peak = Number(stdout || NaN);
  assert(peak < 2000, `${peak} MiB at the peak; ${stderr}`);
});

test("keeps decoded images, bound to the hashes of their files", async (folder) => {
  const cacheDir = `${folder}-cache`;
  try {
    const progress: number[] = [];
    const onProgress: ImageFolderOptions["onProgress"] = (done, _total, what) => {
      if (what === "decoding") progress.push(done);
    };
    const options = { cacheDir, onProgress };
    const first = await load(folder, shades("a", 5), options);
    assertEquals(progress.length, 5);
    const second = await load(folder, {}, options);
    assertEquals(progress.length, 5); // nothing was decoded
    assertEquals(second.train, first.train);
    const changed = await load(folder, { "a/0.png": png(8, 8, [99, 99, 0]) }, options);
    assertEquals(progress.length, 10);
    assert(changed.sha256["images"] !== first.sha256["images"]);
  } finally {
    await Deno.remove(cacheDir, { recursive: true }).catch(() => {});
  }
});

test("refuses what cannot be trained on with one line and the remedy", async (folder) => {
  const refuses = async (files: Record<string, Uint8Array>, message: string) => {
    await Deno.remove(folder, { recursive: true });
    await Deno.mkdir(folder);
    await assertRejects(() => load(folder, files), UserError, message);
  };
  await refuses({}, "has no images: put PNG, JPEG, WebP or GIF files there");
  await refuses({ "a/1.png": png(8, 8, [1, 2, 3]) }, "1 usable image: at least two are needed");
  const one = png(8, 8, [1, 2, 3]);
  await refuses({ "a/1.png": one, "b/1.png": one }, "no image can be held out");
  await refuses({ "a/1.png": one, "1.png": one }, 'images beside the folder "a" of images');
  await assertRejects(() => loadImageFolder(`${folder}/none`), UserError, "is no folder");
  await assertRejects(() => loadImageFolder(`${folder}/1.png`), UserError, "is no folder");
});
