import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { hashFolder, imageRuns, resultOf } from "../../image/program/program.ts";
import { runText, runTextProcess, tinyDenoiser } from "./program.ts";

const ignore = !imageRuns;

const folders: string[] = [];
async function temporaryFolder(): Promise<string> {
  const path = await Deno.makeTempDir({ prefix: "text diffusion test " });
  folders.push(path);
  return path;
}
Deno.test.afterAll(async () => {
  for (const path of folders) await Deno.remove(path, { recursive: true });
});

async function lines(path: string): Promise<Record<string, unknown>[]> {
  return (await Deno.readTextFile(path)).trimEnd().split("\n").map((line) => JSON.parse(line));
}

async function succeed(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runText(...args);
  assertEquals(code, 0, stderr);
  return stdout;
}

Deno.test({
  name: "text runs all stages, writes every step, and passes over existing results",
  ignore,
  fn: async () => {
    const out = `${await temporaryFolder()}/run`;
    const settings = tinyDenoiser("--trajectory");
    const flags = [...settings, "--out", out];
    await succeed(...flags);
    const files = Object.keys(await hashFolder(out));
    const step = "diffusion/checkpoints/step-000010";
    for (
      const file of [
        "latents/latents.safetensors",
        "diffusion/metrics.csv",
        "report.html",
        "reconstructions.json",
        `${step}/denoiser/config.json`,
        `${step}/scheduler/scheduler_config.json`,
        `${step}/latents/model.safetensors`,
      ]
    ) assert(files.includes(file), `${file} in ${files}`);
    const samples = await lines(`${out}/diffusion/samples/samples.jsonl`);
    assertEquals(samples.map(({ prompt }) => prompt), [1, 2, 3, 4].map((n) => `rating ${n}`));
    const steps = await lines(`${out}/diffusion/samples/trajectory.jsonl`);
    assertEquals(steps.map(({ step }) => step), [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
    // The last step's estimate is the sample.
    assertEquals(steps.slice(-4).map(({ text }) => text), samples.map(({ text }) => text));

    const before = await hashFolder(`${out}/diffusion/checkpoints`);
    const again = await succeed(...flags);
    for (const stage of ["vae: ", "encode: the latents of", "sample: the same samples"]) {
      assertStringIncludes(again, stage);
    }
    assertStringIncludes(again, "10 steps of");
    const report = await Deno.readTextFile(`${out}/report.html`);
    for (const heading of ["Training of the denoiser", "Autoencoder", "Sample 4, denoised"]) {
      assertStringIncludes(report, heading);
    }
    assertEquals(await hashFolder(`${out}/diffusion/checkpoints`), before);

    // Two of the three steps take noise from 5e4 to 1.7 and 0.6 times the data: one leads below 1.
    const early = `${out}-early`;
    await succeed(...settings, `--vae=${out}`, "--final-sigma=1", "--out", early);
    const sampled = (await lines(`${early}/diffusion/samples/samples.jsonl`))
      .map(({ text }) => text);
    const shown = await lines(`${early}/diffusion/samples/trajectory.jsonl`);
    assertEquals(shown.slice(-4).map(({ text }) => text), sampled);
    assertEquals(shown.map(({ step }) => step), [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
    assertEquals(shown.slice(0, 4), steps.slice(0, 4));
    assertEquals(shown.slice(4, 8), steps.slice(4, 8));

    // Killed after the autoencoder's last checkpoint and before its report, a run writes that, too.
    const checkpoints = await hashFolder(`${out}/checkpoints`);
    await Deno.remove(`${out}/reconstructions.json`);
    await succeed(...flags);
    assertStringIncludes(await Deno.readTextFile(`${out}/report.html`), "Token accuracy");
    assertEquals(await hashFolder(`${out}/checkpoints`), checkpoints);
  },
});

Deno.test({
  name: "text --stage diffusion --resume has the bits of a run without interruption",
  ignore,
  fn: async () => {
    const out = await temporaryFolder();
    const flags = ["--condition=continuation", "--diffusion-lr-schedule=constant"];
    const run = (name: string, ...more: string[]) =>
      succeed(...tinyDenoiser(...flags, ...more), "--out", `${out}/${name}`);
    const straight = await runTextProcess(
      ...tinyDenoiser(...flags, "--samples=1"),
      ...["--out", `${out}/straight`],
    );
    assertEquals(straight.code, 0, straight.stderr);
    const vae = `--vae=${out}/straight`;
    await run("resumed", vae, "--stage=encode");
    await run("resumed", vae, "--stage=diffusion", "--diffusion-steps=5");
    const second = await run("resumed", vae, "--stage=diffusion", "--resume");
    assertStringIncludes(second, "continuing after step 5");
    const [expected, found] = [
      await resultOf(`${out}/straight/diffusion`),
      await resultOf(`${out}/resumed/diffusion`),
    ];
    // The shorter run's last row, off the beat, stays.
    const rows = (found["metrics"] as string[]).filter((row) => !row.startsWith("5,"));
    const trained = Object.entries(expected).filter(([name]) => !name.startsWith("samples/"));
    assertEquals({ ...found, metrics: rows }, Object.fromEntries(trained));
  },
});

Deno.test({
  name: "text refuses missing results and another autoencoder, with a remedy",
  ignore,
  fn: async () => {
    const out = `${await temporaryFolder()}/run`;
    const other = `${await temporaryFolder()}/other`;
    await succeed(...tinyDenoiser(), "--out", out);
    await succeed(...tinyDenoiser("--stage=vae", "--seed=1"), "--out", other);
    for (const [stage, before] of [["sample", "diffusion"], ["diffusion", "encode"]]) {
      const early = await runText(...tinyDenoiser(`--stage=${stage}`, "--seed=1"), "--out", other);
      assertEquals(early.code, 1);
      assertStringIncludes(early.stderr, `run --stage ${before} first`);
    }
    const withOther = (stage: string) =>
      runText(...tinyDenoiser(`--stage=${stage}`, `--vae=${other}`), "--out", out);
    const refused = await withOther("diffusion");
    assertEquals([refused.code, refused.stderr.trimEnd().split("\n").length], [1, 1]);
    assertStringIncludes(refused.stderr, "made by another autoencoder: run --stage encode again");
    const encoded = await withOther("encode");
    assertStringIncludes(encoded.stdout, "are replaced");
    const trained = await withOther("diffusion");
    assertEquals(trained.code, 1);
    assertStringIncludes(trained.stderr, "autoencoder");
  },
});

Deno.test({
  name: "text answers multiplications thought by thought, with votes",
  ignore,
  fn: async () => {
    const out = `${await temporaryFolder()}/run`;
    const stdout = await succeed(
      ...tinyDenoiser(
        "--dataset=multiplication",
        "--thought-passes=multi",
        "--coupled-sampling=0.5",
        "--sampler=dpmpp_multistep",
        "--temperature=0.8",
        "--votes=2",
        "--trajectory",
        "--max-tokens=12", // what the format takes
        "--latents=6",
      ),
      "--out",
      out,
    );
    assertStringIncludes(stdout, "Accuracy, 2 votes");
    assertStringIncludes(stdout, "thoughts/s");
    const samples = await lines(`${out}/diffusion/samples/samples.jsonl`);
    assertEquals(samples.length, 4);
    const [header, ...rows] = (await Deno.readTextFile(`${out}/diffusion/samples/accuracy.csv`))
      .trimEnd().split("\n");
    assertEquals(header, "votes,correct,count,accuracy,low,high");
    const steps = await lines(`${out}/diffusion/samples/trajectory.jsonl`);
    assertEquals(steps.filter(({ pass }) => pass === 1).length, 4 * 3);
    const right = samples.filter(({ right }) => right).length;
    assertEquals(rows[0]!.split(",").slice(0, 3), ["1", String(right), "4"]);
  },
});

Deno.test({
  name: "text answers Winograd schemas by the lower loss and by generation",
  ignore,
  fn: async () => {
    const out = `${await temporaryFolder()}/run`;
    const stdout = await succeed(
      ...tinyDenoiser("--dataset=commonsense", "--max-tokens=12", "--samples=10"),
      "--out",
      out,
    );
    assertStringIncludes(stdout, "of 10; 95 % interval");
    assertStringIncludes(stdout, "chance 50.0 %");
    const [header, ...rows] = (await Deno.readTextFile(`${out}/diffusion/samples/accuracy.csv`))
      .trimEnd().split("\n");
    assertEquals(header, "set,answered_by,correct,count,accuracy,low,high,chance");
    const names = rows.map((row) => row.split(",").slice(0, 2).join(", "));
    assertEquals(
      names,
      ["WinoGrande dev", "WSC273"].flatMap((set) => [
        `${set}, denoising loss`,
        `${set}, generation`,
      ]),
    );
    const samples = await lines(`${out}/diffusion/samples/samples.jsonl`);
    assertEquals(samples.length, 20);
    // Accuracy is counted anew from the losses that are written down and the sentence's right clause.
    const right = samples.slice(0, 10).filter(({ options, losses, reference }) => {
      const [first, second] = losses as [number, number];
      const answer = (options as string[])[first <= second ? 0 : 1]!;
      return (reference as string).startsWith(answer);
    });
    assertEquals(rows[0]!.split(",").slice(2, 4), [String(right.length), "10"]);
  },
});

Deno.test({
  name: "text refuses a stage without its inputs, and contradicting settings, in one line",
  ignore,
  fn: async () => {
    const place = await temporaryFolder();
    const refusals: [string[], number, string][] = [
      [["--condition=question"], 2, "--condition question is not for --dataset hotel_reviews"],
      [["--stage=sample"], 1, "run --stage vae first"],
      [["--dataset=reviews"], 2, "one of hotel_reviews, commonsense, math, multiplication"],
      [["--votes=0"], 2, "--votes 0: must be an integer from 1"],
    ];
    for (const [flags, exitCode, message] of refusals) {
      const { code, stderr } = await runText(...tinyDenoiser(...flags), "--out", `${place}/none`);
      assertEquals([code, stderr.trimEnd().split("\n").length], [exitCode, 1], stderr);
      assertStringIncludes(stderr, message);
    }
  },
});
