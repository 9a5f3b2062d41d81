import { assert, assertEquals, assertFalse, assertMatch, assertStringIncludes } from "@std/assert";
import { releaseCheckpoint } from "../../../tools/release_checkpoint.ts";
import { listCheckpoints } from "../../../training/checkpoint/folders.ts";
import { configHash, formatRecord, readRecord } from "../../../cli/run_record.ts";
import { imageRuns } from "../../image/program/program.ts";
import { runText, runTextProcess, tinyDenoiser } from "./program.ts";

const ignore = !imageRuns;

const SAMPLING = ["--sample-only", "--preset=smoke", "--threads=1", "--sample-steps=3"];

async function textsOf(folder: string): Promise<string[]> {
  const lines = (await Deno.readTextFile(`${folder}/samples.jsonl`)).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line).text);
}

Deno.test({
  name: "text --sample-only has the samples of the run, also from a released checkpoint",
  ignore,
  fn: async () => {
    const out = await Deno.makeTempDir({ prefix: "sample only test " });
    try {
      const run = `${out}/run`;
      const trained = await runTextProcess(...tinyDenoiser("--stage=all"), "--out", run);
      assertEquals(trained.code, 0, trained.stderr);
      const again = await runText(
        ...SAMPLING,
        "--samples=4",
        "--checkpoint",
        run,
        "--out",
        `${out}/again`,
      );
      assertEquals(again.code, 0, again.stderr);
      const expected = await textsOf(`${run}/diffusion/samples`);
      assertEquals(expected.length, 4);
      assertEquals(await textsOf(`${out}/again/samples`), expected);
      assertStringIncludes(again.stdout, "rating 1");
      // Without a preset and settings, those that the run was sampled with.
      const own = ["--sample-only", "--threads=1", "--samples=4", "--checkpoint", run];
      const same = await runText(...own, "--out", `${out}/same`);
      assertEquals(same.code, 0, same.stderr);
      assertMatch(same.stdout, /^sampling: \w+, 3 steps, /m);
      assertEquals(await textsOf(`${out}/same/samples`), expected);
      const report = await Deno.readTextFile(`${out}/same/report.html`);
      assertStringIncludes(report, "hotel_reviews: 4 samples of run");

      // Each sample depends on its number and its rating alone: the third one was of three stars before.
      const three = await runText(
        ...SAMPLING,
        "--samples=4",
        "--rating=3",
        "--checkpoint",
        run,
        "--out",
        `${out}/three`,
      );
      assertEquals(three.code, 0, three.stderr);
      assertEquals(three.stdout.match(/^given +rating \d$/gm), Array(4).fill("given   rating 3"));
      assertEquals((await textsOf(`${out}/three/samples`))[2], expected[2]);

      const released = `${out}/released`;
      await releaseCheckpoint(run, released, "# Autoencoder\n");
      await releaseCheckpoint(`${run}/diffusion`, `${released}/diffusion`, "# Denoiser\n");
      const record = JSON.parse(await Deno.readTextFile(`${released}/diffusion/config.json`));
      assertEquals(record.sessions, []);
      assertFalse(JSON.stringify(record).includes(out));
      const half = await runText(
        ...SAMPLING,
        "--samples=7",
        "--checkpoint",
        released,
        "--out",
        `${out}/half`,
      );
      assertEquals(half.code, 0, half.stderr);
      assertEquals((await textsOf(`${out}/half/samples`)).length, 7);
    } finally {
      await Deno.remove(out, { recursive: true });
    }
  },
});

Deno.test({
  name: "text --sample-only answers the held-out problems of the run",
  ignore,
  fn: async () => {
    const out = await Deno.makeTempDir();
    try {
      const digits = ["--dataset=multiplication", "--max-tokens=12", "--latents=6"];
      const run = `${out}/run`;
      const trained = await runTextProcess(...tinyDenoiser(...digits), "--out", run);
      assertEquals(trained.code, 0, trained.stderr);
      const again = await runText(
        ...SAMPLING,
        "--samples=4",
        "--checkpoint",
        run,
        "--out",
        `${out}/again`,
      );
      assertEquals(again.code, 0, again.stderr);
      assertStringIncludes(again.stdout, "Accuracy, one sample  ");
      assertMatch(again.stdout, /^problem +71 \* 57\n.+\nright +4047$/m);
      const expected = await Deno.readTextFile(`${run}/diffusion/samples/samples.jsonl`);
      assertEquals(expected.trimEnd().split("\n").length, 4);
      assertEquals(await Deno.readTextFile(`${out}/again/samples/samples.jsonl`), expected);

      // A damaged newest checkpoint is skipped, with a warning.
      const [newest, older] = await listCheckpoints(`${run}/diffusion`);
      assert(older !== undefined);
      await Deno.truncate(`${newest!.directory}/latents/model.safetensors`, 100);
      const past = await runText(
        ...SAMPLING,
        "--samples=4",
        "--checkpoint",
        run,
        "--out",
        `${out}/past`,
      );
      assertEquals(past.code, 0, past.stderr);
      assertStringIncludes(past.stderr, `skipping ${newest!.directory}: `);
    } finally {
      await Deno.remove(out, { recursive: true });
    }
  },
});

Deno.test({
  name: "text --sample-only praises with five stars and the released weights, and hardly with one",
  ignore,
  fn: async () => {
    const out = await Deno.makeTempDir();
    try {
      const praiseOf = async (stars: number) => {
        const sampled = await runText(
          "--sample-only",
          "--threads=1",
          "--samples=10",
          `--rating=${stars}`,
          "--sample-steps=20",
          "--out",
          `${out}/${stars}`,
        );
        assertEquals(sampled.code, 0, sampled.stderr);
        const texts = await textsOf(`${out}/${stars}/samples`);
        assertEquals(texts.length, 10);
        const words = texts.join(" ").match(/\p{L}+/gu)!;
        const praise = /^(great|excellent|wonderful|perfect|loved?|fantastic|lovely|best)$/;
        return words.filter((word) => praise.test(word)).length / words.length;
      };
      const [five, one] = [await praiseOf(5), await praiseOf(1)];
      assert(five > 0.05 && five > 3 * one, `${five} and ${one} of the words`);
    } finally {
      await Deno.remove(out, { recursive: true });
    }
  },
});

Deno.test({
  name:
    "text --sample-only refuses flags of training, other data sets, and folders without a denoiser",
  ignore,
  fn: async () => {
    const out = await Deno.makeTempDir();
    try {
      const run = `${out}/run`;
      const trained = await runText(...tinyDenoiser("--stage=all", "--samples=1"), "--out", run);
      assertEquals(trained.code, 0, trained.stderr);
      const record = (await readRecord(`${run}/diffusion/config.json`))!;
      const { dataset: _dataset, ...config } = record.config;
      await Deno.mkdir(`${out}/odd/diffusion`, { recursive: true });
      await Deno.writeTextFile(
        `${out}/odd/diffusion/config.json`,
        formatRecord({ ...record, config, configHash: await configHash(config) }),
      );
      const cases: readonly [readonly string[], number, string][] = [
        [["--checkpoint", run], 2, "--checkpoint DIR is for --sample-only"],
        [["--sample-only", "--steps=5"], 2, "--sample-only trains nothing: leave --steps out"],
        [["--sample-only", "--stage=vae"], 2, "--sample-only trains nothing: leave --stage out"],
        [[...SAMPLING, "--dataset=math", "--checkpoint", run], 2, `${run} are hotel_reviews`],
        [["--sample-only", "--checkpoint", out], 1, `there is no ${out}/diffusion/config.json`],
        [["--sample-only", "--checkpoint", `${out}/none`], 1, `${out}/none`],
        [["--sample-only", "--checkpoint", `${out}/odd`], 1, "config.json lacks dataset"],
      ];
      for (const [flags, code, message] of cases) {
        const refused = await runText(...flags);
        assertEquals([refused.code, refused.stderr.trimEnd().split("\n").length], [code, 1]);
        assertStringIncludes(refused.stderr, message);
      }
    } finally {
      await Deno.remove(out, { recursive: true });
    }
  },
});
