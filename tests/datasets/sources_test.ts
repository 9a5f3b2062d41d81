import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { describeSource, openDataset, type SourceOptions } from "../../datasets/sources.ts";
import { EXIT, UserError } from "../../base/errors.ts";
import { CONTENT, folderWith, hasFiles, STORED } from "./tiny_dataset.ts";
import { assertWhole, places } from "./tiny_places.ts";

function test(name: string, fn: () => Promise<void>) {
  Deno.test({ name: `openDataset() ${name}`, ignore: !hasFiles, fn });
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

test("reads unpacked files", async () => {
  await using at = await places({ cached: { "a": CONTENT["a.gz"]!, "b.gz": CONTENT["b.gz"]! } });
  const opened = await openDataset(at.dataset, at.options);
  assertEquals(opened.origin, "cache");
  assertWhole(opened.contents);
});

test("takes the sample and reports why when no other place has the files", async () => {
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
  assertStringIncludes(error.message, "name a folder that has its files by dataDir");
  assertEquals(error.exitCode, EXIT.failed);
});

test("takes only the sample when sampleOnly is set", async () => {
  await using at = await places({ cached: STORED });
  const opened = await openDataset(at.dataset, { ...at.options, sampleOnly: true });
  assertEquals([opened.origin, opened.place, opened.passedOver], ["sample", at.sample + "/", []]);
  assertEquals(
    describeSource(at.dataset, opened),
    "Tiny: ONLY THE BUNDLED SAMPLE, 500 of 130,000 bytes",
  );
});

test("names the files to restore when the sample lacks some", async () => {
  await using at = await places();
  await Deno.remove(join(at.sample, "a.gz"));
  const open = () => openDataset(at.dataset, at.options);
  await assertRejects(open, UserError, "bundled sample lacks a.gz; restore it with `git checkout`");
});

for (const folder of ["", "tiny/", "Tiny/raw/"]) {
  test(`takes the user's folder when the files are in DIR/${folder}`, async () => {
    await using at = await places({ cached: STORED, system: STORED });
    const files = Object.entries(STORED).map(([name, bytes]) => [folder + name, bytes]);
    await using mine = await folderWith(Object.fromEntries(files));
    const opened = await openDataset(at.dataset, { ...at.options, dataDir: mine.path });
    assertEquals(join(opened.place, "."), join(mine.path, folder, "."));
    assertEquals(opened.origin, "data-dir");
    assertWhole(opened.contents);
  });
}

test("throws when the user's folder has no files, even if other places have all", async () => {
  await using at = await places({ cached: STORED, system: STORED });
  await using mine = await folderWith();
  const open = (dataDir: string) => () =>
    openDataset(at.dataset, { ...at.options, dataDir, dataDirName: "--data-dir" });
  const error = await assertRejects(open(mine.path), UserError, "--data-dir: nothing of Tiny in");
  assertStringIncludes(error.message, "put a.gz, b.gz there, or leave --data-dir out");
  assertEquals(error.exitCode, EXIT.usage);
  const file = join(mine.path, "a.gz");
  const missing =
    `--data-dir ${file}: there is no such folder; name the folder that holds a.gz, b.gz`;
  await assertRejects(open(file), UserError, missing);
  await Deno.writeFile(file, CONTENT["a.gz"]!);
  await assertRejects(
    open(file),
    UserError,
    `--data-dir ${file}: not a folder; name the folder that`,
  );
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
    "a Git LFS pointer, which names the data but does not contain them; run `git lfs pull` there, or",
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
  test(`names a file in any place when it is ${what}`, async () => {
    const files = { ...STORED, "b.gz": bytes };
    await using at = await places({ cached: files });
    await using mine = await folderWith(files);
    const { options } = at;
    const cases: [SourceOptions, string, string][] = [
      [options, at.cache, "remove it, and it is downloaded again"],
      [{ ...options, dataDir: mine.path }, mine.path, "or leave dataDir out"],
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

test("throws when a folder has a file's name", async () => {
  await using at = await places({ cached: STORED });
  await Deno.remove(join(at.cache, "b.gz"));
  await Deno.mkdir(join(at.cache, "b.gz"));
  await assertRejects(() => openDataset(at.dataset, at.options), UserError, "b.gz: not a file; ");
});
