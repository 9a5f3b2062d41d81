import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { readSafetensors } from "../../../nn/safetensors.ts";
import { TEXT_METRICS } from "../../../text/autoencoder/train.ts";
import { hashFolder, imageRuns, metricsOf, resultOf } from "../../image/program/program.ts";
import { runText, runTextProcess, startText, TINY_TEXT } from "./program.ts";

const ignore = !imageRuns;
const STEPS = 20;

const folders: string[] = [];
async function temporaryFolder(): Promise<string> {
  const path = await Deno.makeTempDir({ prefix: "text test " });
  folders.push(path);
  return path;
}
Deno.test.afterAll(async () => {
  for (const path of folders) await Deno.remove(path, { recursive: true });
});

let straight: Promise<string> | undefined;
function straightRun(): Promise<string> {
  const run = async () => {
    const out = `${await temporaryFolder()}/straight`;
    const { code, stderr } = await runText(...TINY_TEXT, `--steps=${STEPS}`, "--out", out);
    assertEquals(code, 0, stderr);
    return out;
  };
  return straight ??= run();
}

Deno.test({
  name: "text writes configuration, metrics, checkpoints and report into the folder of a run",
  ignore,
  fn: async () => {
    const out = await straightRun();
    const files = Object.keys(await hashFolder(out));
    const model = ["config.json", "model.safetensors"];
    const expected = [
      ...["decoder", "encoder", "vae"].flatMap((part) => model.map((file) => `${part}/${file}`)),
      "tokenizer/tokenizer.json",
      "tokenizer/tokenizer_config.json",
      "model_index.json",
    ];
    for (const file of expected) {
      assert(files.includes(`checkpoints/step-000020/${file}`), `${file} in ${files}`);
    }
    const record = JSON.parse(await Deno.readTextFile(`${out}/config.json`));
    assertEquals([record.program, record.config.latents, record.config.steps], ["text", 4, STEPS]);
    for (const hash of Object.values(record.data[0].sha256)) assertMatch(String(hash), /^\w{64}$/);

    const [header, ...rows] = (await Deno.readTextFile(`${out}/metrics.csv`)).trimEnd().split("\n");
    assertEquals(header!.split(","), ["step", ...TEXT_METRICS]);
    assertEquals(rows.map((row) => Number(row.split(",")[0])), [
      2,
      4,
      6,
      8,
      10,
      12,
      14,
      16,
      18,
      20,
    ]);
    const report = await Deno.readTextFile(`${out}/report.html`);
    assertStringIncludes(report, "ONLY THE BUNDLED SAMPLE");
    assertStringIncludes(report, "Token accuracy");
    assertStringIncludes(report, "Held-out texts and their reconstructions");
    assertStringIncludes(report, "Interpolation between two texts, 2");
    const evaluation = JSON.parse(await Deno.readTextFile(`${out}/evaluation.json`));
    assertStringIncludes(evaluation.protocol, "6 held-out texts, cut to 8 tokens");
    assert(evaluation.clean.bleu >= 0 && evaluation.clean.bleu <= 100);
    assertEquals(evaluation.noised.length, 11);
    assertEquals(evaluation.latents.numbers, 4 * 4);
    assert(evaluation.trigramPerplexity.heldOut > 1);
  },
});

Deno.test({
  name: "text --resume with more steps has the bits of a run that was longer from the start",
  ignore,
  fn: async () => {
    const out = `${await temporaryFolder()}/resumed`;
    // With a constant learning rate, the first half does not depend on the number of steps.
    const run = (...flags: string[]) =>
      runText(...TINY_TEXT, "--lr-schedule=constant", "--out", out, ...flags);
    const first = await run("--steps=11"); // on no beat
    assertEquals(first.code, 0, first.stderr);
    const second = await run(`--steps=${STEPS}`, "--resume");
    assertEquals(second.code, 0, second.stderr);
    assertStringIncludes(second.stdout, "continuing after step 11");
    const other = `${await temporaryFolder()}/straight`;
    const whole = await runTextProcess(
      ...TINY_TEXT,
      "--lr-schedule=constant",
      `--steps=${STEPS}`,
      "--out",
      other,
    );
    assertEquals(whole.code, 0, whole.stderr);
    const expected = await resultOf(other);
    const found = await resultOf(out);
    // The shorter run's last row, off the beat, stays.
    const rows = found["metrics"] as string[];
    assertEquals(rows.filter((row) => !row.startsWith("11,")), expected["metrics"]);
    assertEquals({ ...found, metrics: [] }, { ...expected, metrics: [] });
  },
});

Deno.test({
  name: "text saves when it is interrupted, and the same command continues",
  ignore: ignore || Deno.build.os === "windows",
  fn: async () => {
    const out = `${await temporaryFolder()}/interrupted`;
    const args = [...TINY_TEXT, "--steps=1000", "--out", out];
    const run = startText(args);
    await run.training;
    run.kill("SIGINT");
    const { code, stderr } = await run.ended;
    assertEquals(code, 130, stderr);
    assertMatch(
      stderr,
      /interrupted: saved .+\/step-\d{6}; the same command goes on from there\n$/,
    );
    const before = await metricsOf(out);
    const again = startText(args);
    await again.training;
    again.kill("SIGINT");
    assertEquals((await again.ended).code, 130);
    assertEquals((await metricsOf(out)).slice(0, before.length), before);
  },
});

Deno.test({
  name: "text refuses contradicting settings with exit code 2 and one line",
  ignore,
  fn: async () => {
    const refusals: [string[], string][] = [
      [["--encoder-width=10", "--encoder-heads=3"], "--encoder-width 10 must be a multiple"],
      [["--latents=5", "--max-tokens=8"], "5 latents cannot share 8 tokens equally"],
      [["--beta=0.1"], "--beta 0.1 is for --latent-kind kl"],
      [["--validation-size=600"], "--validation-size 600: 600 of 500 examples to hold out"],
      [["--accumulate=3"], "--batch-size 4 must be a multiple of --accumulate 3"],
      [
        ["--freeze=encoder", "--encoder-learning-rate=1e-4"],
        "--encoder-learning-rate is not for --freeze encoder",
      ],
      [
        ["--noise-per-text=uniform", "--latent-kind=kl"],
        "--noise-per-text uniform is for --latent-kind noise or l2",
      ],
      [["--latent-kin=kl"], "did you mean --latent-kind?"],
    ];
    const place = await temporaryFolder();
    for (const [flags, message] of refusals) {
      const names = flags.map((flag) => flag.split("=")[0]!);
      const rest = TINY_TEXT.filter((flag) => !names.includes(flag.split("=")[0]!));
      const { code, stderr } = await runText(...rest, ...flags, "--out", `${place}/none`);
      assertEquals([code, stderr.trimEnd().split("\n").length], [2, 1], stderr);
      assertStringIncludes(stderr, message);
    }
  },
});

Deno.test({
  name: "text --start-from starts with the averaged weights, tokens and sizes of a run",
  ignore,
  fn: async () => {
    const from = await straightRun();
    const out = `${await temporaryFolder()}/started`;
    const rest = TINY_TEXT.filter((flag) => !/^--(latents|latent-width)=/.test(flag));
    const start = [...rest, `--start-from=${from}`, "--out", out];
    const { code, stderr } = await runText(...start, "--steps=1", "--learning-rate=1e-9");
    assertEquals(code, 0, stderr);
    const record = JSON.parse(await Deno.readTextFile(`${out}/config.json`));
    assertEquals([record.config.latents, record.config.latentWidth], [4, 4]);
    assertEquals(record.data[1].name, "starting weights");
    const [before, after] = await Promise.all(
      [`${from}/checkpoints/step-000020`, `${out}/checkpoints/step-000001`].map(async (folder) =>
        (await readSafetensors(`${folder}/vae/model.safetensors`)).tensors
          .get("mean.weight") ?? await Promise.reject(new Error(folder))
      ),
    );
    before!.data.forEach((value, i) =>
      assertAlmostEquals(Number(after!.data[i]), Number(value), 1e-6)
    );

    const other = await runText(...start, "--steps=1", "--latents=2", "--overwrite");
    assertEquals(other.code, 2);
    assertStringIncludes(other.stderr, "--latents 2: the model of --start-from");
    const more = await runText(
      ...start.map((flag) => flag.replace("-size=6", "-size=9")),
      "--steps=1",
      "--overwrite",
    );
    assertEquals(more.code, 2);
    assertStringIncludes(more.stderr, "3 of 9 held-out reviews are among those that the starting");
    const absent = await runText(...rest, "--start-from=nowhere", "--out", `${out}-none`);
    assertEquals(absent.code, 1);
    assertStringIncludes(absent.stderr, "cannot open the checkpoint nowhere");
  },
});

Deno.test({
  name: "text --accumulate computes a batch in parts, --freeze leaves a half unchanged",
  ignore,
  fn: async () => {
    const place = await temporaryFolder();
    const trained = async (name: string, ...flags: string[]) => {
      const out = `${place}/${name}`;
      const run = await runText(...TINY_TEXT, "--steps=2", "--out", out, ...flags);
      assertEquals(run.code, 0, run.stderr);
      const { metrics } = await resultOf(out);
      const weights = async (half: string) =>
        (await hashFolder(`${out}/checkpoints/step-000002/${half}`))["model.safetensors"];
      const [loss] = (metrics as string[]).at(-1)!.split(",").slice(1).map(Number);
      return { loss: loss!, encoder: await weights("encoder"), decoder: await weights("decoder") };
    };
    const whole = await trained("whole", "--learning-rate=0.01");
    const parts = await trained("parts", "--learning-rate=0.01", "--accumulate=2");
    assertAlmostEquals(parts.loss, whole.loss, 1e-5 * whole.loss);
    const frozen = await trained("frozen", "--learning-rate=0.01", "--freeze=encoder");
    const other = await trained("other", "--learning-rate=0.02", "--freeze=encoder");
    assertEquals(frozen.encoder, other.encoder);
    assert(frozen.encoder !== whole.encoder && frozen.decoder !== other.decoder);
  },
});

Deno.test({
  name: "text --optimizer adamax saves its largest gradients for --resume",
  ignore,
  fn: async () => {
    const out = `${await temporaryFolder()}/adamax`;
    const flags = [...TINY_TEXT, "--optimizer=adamax", "--lr-schedule=constant", "--out", out];
    const first = await runText(...flags, "--steps=3");
    assertEquals(first.code, 0, first.stderr);
    const path = `${out}/checkpoints/step-000003/training_state.safetensors`;
    const { tensors } = await readSafetensors(path);
    assertEquals([...tensors.keys()].sort(), ["ema", "largest", "mean", "parameters"]);
    assert(tensors.get("largest")!.data.every((value) => Number(value) > 0));
    const second = await runText(...flags, "--steps=5", "--resume");
    assertEquals(second.code, 0, second.stderr);
    assertStringIncludes(second.stdout, "continuing after step 3");
  },
});

Deno.test({
  name:
    "text writes nothing and reports the problem if its texts or its starting model are unsound",
  ignore,
  fn: async () => {
    const place = await temporaryFolder();
    const csv = async (name: string, bytes: Uint8Array) => {
      await Deno.mkdir(`${place}/${name}`);
      await Deno.writeFile(`${place}/${name}/tripadvisor_hotel_reviews.csv`, bytes);
      return ["--data-dir", `${place}/${name}`];
    };
    const text = (content: string) => new TextEncoder().encode(content);
    const from = `${await straightRun()}/checkpoints/step-000020`;
    const start = async (file: string, change: (bytes: Uint8Array) => Uint8Array) => {
      const folder = `${place}/start-${file.replace("/", "-")}`;
      for (const path of Object.keys(await hashFolder(from))) {
        await Deno.mkdir(`${folder}/${path}/..`, { recursive: true });
        const bytes = await Deno.readFile(`${from}/${path}`);
        await Deno.writeFile(`${folder}/${path}`, path === file ? change(bytes) : bytes);
      }
      return ["--start-from", folder];
    };
    const cases: readonly (readonly [string[], string])[] = [
      [await csv("empty", new Uint8Array()), "hotel_reviews.csv:1: no column Review"],
      [
        await csv("column", text("Review,Stars\ngood,5\n")),
        "hotel_reviews.csv:1: no column Rating",
      ],
      [
        await csv("latin1", Uint8Array.of(...text("Review,Rating\nol"), 0xe9, ...text(",5\n"))),
        "hotel_reviews.csv:2: bytes that are not UTF-8",
      ],
      [await csv("quote", text('Review,Rating\ngood,5\n"bad,1\n')), "hotel_reviews.csv:3: "],
      [
        await start("encoder/model.safetensors", (bytes) => bytes.subarray(0, bytes.length / 2)),
        "encoder/model.safetensors is truncated",
      ],
      [
        await start("tokenizer/tokenizer.json", (bytes) => bytes.map((byte) => byte ^ 1)),
        "tokenizer/tokenizer.json is altered",
      ],
    ];
    const rest = TINY_TEXT.filter((flag) => !/^--(latents|latent-width)=/.test(flag));
    for (const [flags, message] of cases) {
      const { code, stderr } = await runText(...rest, ...flags, "--out", `${place}/never`);
      assertEquals(code, 1, stderr);
      assertStringIncludes(stderr, message);
      assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
      assertEquals(await Deno.stat(`${place}/never`).then(() => true, () => false), false);
    }
  },
});
