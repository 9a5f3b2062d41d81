import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  copyFolder,
  hashFolder,
  imageRuns,
  runImage,
  startImage,
  TINY,
  tiny,
  workplace,
} from "./program.ts";

const ignore = !imageRuns;
const { folder, straightRun } = workplace(8);

/** Runs image.ts and expects an error in one line. */
async function refuse(
  args: readonly string[],
  { code, message }: { code: number; message: RegExp },
): Promise<void> {
  const ended = await runImage(...args);
  assertMatch(ended.stderr, message);
  assertMatch(ended.stderr, /^error: [^\n]+\n$/, "one line, and no stack trace");
  assertEquals(ended.code, code);
}

Deno.test({
  name: "image trains with --no-sample-only",
  ignore,
  fn: async () => {
    const out = `${await folder()}/out`;
    const ended = await runImage(...TINY, "--steps=1", "--no-sample-only", "--out", out);
    assertEquals(ended.code, 0, ended.stderr);
  },
});

Deno.test({
  name:
    "image refuses folders that cannot be written or are not of a run, and does not change them",
  ignore,
  fn: async () => {
    const place = await folder();
    await Deno.writeTextFile(`${place}/notes.txt`, "mine");
    const before = await hashFolder(place);
    for (
      const [out, message] of [
        [`${place}/notes.txt`, /notes\.txt: a part of the path is a file/],
        [`${place}/notes.txt/below`, /below: a part of the path is a file/],
        [place, /is not the folder of a run and is not empty \(it has "notes\.txt"\)/],
      ] as const
    ) {
      await refuse([...TINY, "--out", out], { code: 1, message });
      await refuse([...TINY, "--out", out, "--overwrite"], { code: 1, message });
    }
    await refuse([...TINY, "--out", `${place}/none`, "--resume"], {
      code: 1,
      message: /there is no run to resume in .+none/,
    });
    assertEquals(await hashFolder(place), before);
  },
});

Deno.test({
  name: "image keeps the last checkpoint, and names the file, when there is no space for the next",
  ignore: ignore || Deno.build.os !== "linux",
  fn: async () => {
    const out = `${await folder()}/out`;
    await copyFolder(await straightRun(), out);
    const before = await hashFolder(`${out}/checkpoints`);
    // A limit of 160 kB per file: metrics fit, weights do not. A full disk fails in the same call.
    const ended = await startImage([...TINY, "--steps=12", "--out", out, "--resume"], {
      shell: 'trap "" XFSZ; ulimit -f 320; exec "$0" "$@"',
    }).ended;
    assertEquals(ended.code, 1, ended.stderr);
    assertMatch(
      ended.stderr,
      /^error: cannot write [^\n]+\/step-000012\/training_state\.safetensors \(0\.\d+ MB\): [^\n]+\n$/m,
    );
    assertEquals(await hashFolder(`${out}/checkpoints`), before, "and nothing half-written");
    const again = await runImage(...TINY, "--steps=12", "--out", out);
    assertEquals(again.code, 0, again.stderr);
  },
});

Deno.test({
  name: "image refuses to continue a run with other settings, and names the first one",
  ignore,
  fn: async () => {
    const out = `${await folder()}/run`;
    await copyFolder(await straightRun(), out);
    const before = await resultHashes(out);
    const again = (...args: string[]) => [...TINY, "--steps=8", "--out", out, ...args];
    await refuse(again("--weight-decay=0.5"), {
      code: 1,
      message: /holds another run: --weight-decay is 0\.01 there and 0\.5 here.+--out.+--overwrite/,
    });
    await refuse(again("--weight-decay=0.5", "--resume"), { code: 1, message: /--weight-decay/ });
    await refuse(again("--seed=3"), { code: 1, message: /--seed is 0 there and 3 here/ });
    await refuse(
      again("--resume").map((arg) => arg === "--steps=8" ? "--steps=4" : arg),
      { code: 2, message: /--steps 4: the run in .+ has already done 8 steps/ },
    );
    assertEquals(await resultHashes(out), before);

    const record = `${out}/config.json`;
    const text = await Deno.readTextFile(record);
    await Deno.writeTextFile(record, text.replace('"batchSize": 4', '"batchSize": 8'));
    await refuse(again(), { code: 1, message: /config\.json was edited/ });
    await Deno.writeTextFile(record, text.slice(0, 500));
    await refuse(again(), { code: 1, message: /config\.json/ });
  },
});

Deno.test({
  name: "image refuses to continue from the checkpoint of another network",
  ignore,
  fn: async () => {
    const out = `${await folder()}/run`;
    const args = tiny("--steps=2", "--channels=8,16", "--out", out);
    const ended = await runImage(...args);
    assertEquals(ended.code, 0, ended.stderr);
    await Deno.remove(`${out}/checkpoints`, { recursive: true });
    await copyFolder(`${await straightRun()}/checkpoints`, `${out}/checkpoints`);
    await Deno.rename(`${out}/checkpoints/step-000008`, `${out}/checkpoints/step-000001`);
    await refuse(args, {
      code: 1,
      message:
        /step-000001 belongs to another run: --channels is \[8,8\] there and \[8,16\] here\./,
    });
  },
});

Deno.test({
  name: "image --overwrite replaces another run",
  ignore,
  fn: async () => {
    const out = `${await folder()}/run`;
    await copyFolder(await straightRun(), out);
    const args = ["--steps=2", "--seed=5", "--out", out, "--overwrite"];
    const ended = await runImage(...TINY, ...args);
    assertEquals(ended.code, 0, ended.stderr);
    const names = await Array.fromAsync(Deno.readDir(`${out}/checkpoints`), ({ name }) => name);
    assertEquals(names, ["step-000002"]);
    assertEquals(JSON.parse(await Deno.readTextFile(`${out}/config.json`)).seed, 5);
  },
});

const SAMPLE = new URL("../../../datasets/samples/fashion-mnist/", import.meta.url);
const IMAGES = "train-images-idx3-ubyte.gz";

for (
  const [name, spoil, message] of [
    ["cut short", (bytes: Uint8Array) => bytes.slice(0, 10_000), /truncated|cut short/],
    ["of the right size and wrong", () => gzip(new Uint8Array(16 + 60_000 * 784)), /altered/],
    ["no data but a web page", () => encode("<!DOCTYPE html><html>404"), /HTML/],
    ["empty", () => new Uint8Array(0), /truncated|empty/],
    [
      "Git LFS pointers",
      () =>
        encode(
          "version https://git-lfs.github.com/spec/v1\n" +
            `oid sha256:${"a".repeat(64)}\nsize 26421880\n`,
        ),
      /Git LFS pointer.+git lfs pull/,
    ],
  ] as const
) {
  Deno.test({
    name: `image refuses data files in --data-dir that are ${name}`,
    ignore,
    fn: async () => {
      const place = await folder();
      const data = `${place}/data`;
      await copyFolder(SAMPLE.pathname, data);
      await Deno.writeFile(
        `${data}/${IMAGES}`,
        await spoil(await Deno.readFile(new URL(IMAGES, SAMPLE))),
      );
      await refuse([...TINY, "--data-dir", data, "--out", `${place}/out`], { code: 1, message });
      await refuse([...TINY, "--data-dir", data, "--out", `${place}/out`], {
        code: 1,
        message: new RegExp(`${data}/${IMAGES}: `),
      });
      assert(!(await Array.fromAsync(Deno.readDir(place))).some(({ name }) => name === "out"));
    },
  });
}

Deno.test({
  name: "image refuses a --data-dir without the files of the data set",
  ignore,
  fn: async () =>
    await refuse([...TINY, "--data-dir", await folder()], {
      code: 2,
      message:
        /--data-dir .+: found nothing; expected IDX files .+ give a folder of pictures with --images/,
    }),
});

/** The hashes of a run's files, except for the lock, which has the id of the last process. */
async function resultHashes(directory: string): Promise<Record<string, string>> {
  const { "run.lock": _, ...files } = await hashFolder(directory);
  return files;
}

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return await new Response(packed).bytes();
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
