import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { decode } from "fast-png";
import { IMAGE_METRICS } from "../../../image/report.ts";
import {
  copyFolder,
  hashFolder,
  imageRuns,
  metricsOf,
  resultOf,
  runImage,
  runImageProcess,
  startImage,
  TINY,
  workplace,
} from "./program.ts";

const ignore = !imageRuns;
const STEPS = 24;

const { folder: temporaryFolder, straightRun } = workplace(STEPS);

Deno.test({
  name: "image writes the folder of a run: configuration, metrics, checkpoints, samples, report",
  ignore,
  fn: async () => {
    const out = await straightRun();
    const files = Object.keys(await hashFolder(out)).sort();
    const checkpoint = (step: number) =>
      [
        "manifest.json",
        "model_index.json",
        "scheduler/scheduler_config.json",
        "training_state.json",
        "training_state.safetensors",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
      ].map((file) => `checkpoints/step-0000${step}/${file}`);
    assertEquals(files, [
      ...checkpoint(16),
      ...checkpoint(24),
      "config.json",
      "metrics.csv",
      "report.html",
      "run.lock",
      "samples/grid.png",
      "samples/trajectory.gif",
      "times.json",
    ]);

    const record = JSON.parse(await Deno.readTextFile(`${out}/config.json`));
    const { steps, channels, learningRate, batchSize } = record.config;
    assertEquals({ steps, channels, learningRate, batchSize }, {
      steps: STEPS,
      channels: [8, 8],
      learningRate: 2e-3,
      batchSize: 4,
    });
    assertEquals([record.program, record.seed, record.sessions.length], ["image", 0, 1]);
    assertEquals([record.sessions[0].device, record.sessions[0].threads], ["onnx", 1]);
    for (const hash of Object.values(record.data[0].sha256)) {
      assertMatch(hash as string, /^\w{64}$/);
    }

    const [header, ...rows] = (await Deno.readTextFile(`${out}/metrics.csv`)).trimEnd().split("\n");
    assertEquals(header!.split(","), ["step", ...IMAGE_METRICS]);
    const table = rows.map((row) => {
      const cells = row.split(",");
      return Object.fromEntries(header!.split(",").map((name, i) => [name, cells[i]!]));
    });
    assertEquals(
      table.map(({ step }) => Number(step)),
      [...Array(12).keys()].map((i) => 2 * i + 2),
    );
    for (const row of table) {
      const validated = Number(row["step"]) % 4 === 0;
      assertEquals(row["valLoss"] !== "", validated);
      for (const name of ["loss", "gradNorm", "learningRate", "imagesPerSecond"]) {
        assert(Number(row[name]) > 0, `${name} is ${row[name]}`);
      }
    }
    // Warm-up: step 0 at rate 0, then a hundredth of the rate more each step.
    assertEquals(table.map((row) => Number(row["learningRate"]).toFixed(9)).slice(0, 3), [
      "0.000020000",
      "0.000060000",
      "0.000100000",
    ]);

    const png = decode(await Deno.readFile(`${out}/samples/grid.png`));
    assert(png.width > 28 && png.height > 10 * 28, "a row for each of ten classes");
    assert(new Set(png.data).size > 10, "grey levels");
  },
});

Deno.test({
  name: "image writes a report that loads nothing and names the origin of the data",
  ignore,
  fn: async () => {
    const report = await Deno.readTextFile(`${await straightRun()}/report.html`);
    assertMatch(report, /<h1>FashionMNIST, UNet of [\d,]+ parameters, \d+ steps<\/h1>/);
    assertMatch(report, /\d{4}-\d\d-\d\d: deno task image --preset=smoke /);
    assertStringIncludes(report, "ONLY THE BUNDLED SAMPLE");
    assertStringIncludes(report, "data:image/png;base64,");
    assertStringIncludes(report, "Validation loss");
    assert(!/<script|<link|\bsrc="(?!data:)|\bhref="(?!#)/i.test(report));
  },
});

Deno.test({
  name: "image gives the same bits in another process, and other bits with another seed",
  ignore,
  fn: async () => {
    const folder = await temporaryFolder();
    const run = (name: string, ...args: string[]) =>
      runImage(...TINY, `--steps=${STEPS}`, "--out", `${folder}/${name}`, ...args);
    const [same, other] = await Promise.all([run("same"), run("other", "--seed=1")]);
    assertEquals([same.code, other.code], [0, 0], same.stderr + other.stderr);
    const expected = await resultOf(await straightRun());
    assertEquals(await resultOf(`${folder}/same`), expected);
    const { metrics, "samples/grid.png": grid } = await resultOf(`${folder}/other`);
    assertNotEquals(metrics, expected["metrics"]);
    assertNotEquals(grid, expected["samples/grid.png"]);
  },
});

Deno.test({
  name:
    "image --resume with more steps gives the bits of a run with that many steps from the start",
  ignore,
  fn: async () => {
    const out = `${await temporaryFolder()}/resumed`;
    // Nothing is due at step 11: no row, no validation and no checkpoint.
    const first = await runImage(...TINY, "--steps=11", "--out", `${out}/`);
    assertEquals(first.code, 0, first.stderr);
    const early = await metricsOf(out);
    const second = await runImage(...TINY, `--steps=${STEPS}`, "--out", out, "--resume");
    assertEquals(second.code, 0, second.stderr);
    assertStringIncludes(second.stdout, "continuing after step 11");

    const { metrics, ...files } = await resultOf(out);
    const { metrics: expected, ...others } = await resultOf(await straightRun());
    assertEquals(files, others);
    const rows = metrics as string[];
    assertEquals(rows.filter((row) => !row.startsWith("11,")), expected);
    assertEquals(rows.slice(0, early.length), early, "what was logged stays");
    const { config, sessions } = JSON.parse(await Deno.readTextFile(`${out}/config.json`));
    assertEquals([config.steps, sessions.length], [STEPS, 2]);
  },
});

Deno.test({
  name: "image continues after kill -9, Ctrl-C and SIGTERM to the bits of an uninterrupted run",
  ignore: ignore || Deno.build.os === "windows",
  fn: async () => {
    const out = `${await temporaryFolder()}/disturbed`;
    const args = [...TINY, `--steps=${STEPS}`, "--out", out];
    const log: string[] = [];
    for (const signal of ["SIGKILL", "SIGINT", "SIGTERM"] as const) {
      const child = startImage(args);
      await child.training;
      const delay = Math.round(Math.random() * 150);
      await new Promise((resolve) => setTimeout(resolve, delay));
      child.kill(signal);
      const { code, stderr } = await child.ended;
      log.push(`${signal} after ${delay} ms: ${code}, ${stderr}`);
      if (code === 0) continue;
      assertEquals(code, signal === "SIGKILL" ? 137 : 130, log.join("\n"));
      if (signal === "SIGKILL") continue;
      const last = stderr.trimEnd().split("\n").at(-1)!;
      assertMatch(last, /^interrupted: /);
      const saved = /^interrupted: saved (.+); the same command goes on from there$/.exec(last);
      if (saved !== null) await Deno.stat(`${saved[1]}/manifest.json`);
    }
    const { code, stderr } = await runImage(...args);
    assertEquals(code, 0, stderr);
    assertEquals(await resultOf(out), await resultOf(await straightRun()), log.join("\n"));
    const files = Object.keys(await hashFolder(out));
    assertEquals(files.filter((path) => path.includes(".tmp-")), []);
  },
});

Deno.test({
  name: "image refuses a second run in the folder of one that is running, and names it",
  ignore: ignore || Deno.build.os === "windows",
  fn: async () => {
    const out = `${await temporaryFolder()}/busy`;
    const args = [...TINY, "--steps=100000", "--out", out];
    const child = startImage(args);
    await child.training;
    const second = await runImage(...args);
    assertEquals(
      [second.code, second.stderr],
      [
        1,
        `error: another run (process ${child.pid}) is writing ${out}: wait until it ends, or choose ` +
        "another folder with --out\n",
      ],
    );
    child.kill("SIGINT");
    const { code, stderr } = await child.ended;
    assertEquals(code, 130);
    assertMatch(
      stderr,
      /\ninterrupted: saved .+\/step-\d{6}; the same command goes on from there\n$/,
    );
  },
});

Deno.test({
  name: "image skips a damaged checkpoint, and repeats its steps",
  ignore,
  fn: async () => {
    const out = `${await temporaryFolder()}/damaged`;
    await copyFolder(await straightRun(), out);
    const weights = `${out}/checkpoints/step-000024/training_state.safetensors`;
    const bytes = await Deno.readFile(weights);
    bytes[bytes.length - 5]! ^= 1;
    await Deno.writeFile(weights, bytes);
    const { code, stdout, stderr } = await runImage(...TINY, `--steps=${STEPS}`, "--out", out);
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /^skipping .+\/step-000024: /m);
    assertStringIncludes(stdout, "continuing after step 16");
    assertEquals(await resultOf(out), await resultOf(await straightRun()));
  },
});

Deno.test({
  name: "image samples again, and changes nothing else, when a finished run is started again",
  ignore,
  fn: async () => {
    const out = `${await temporaryFolder()}/twice`;
    await copyFolder(await straightRun(), out);
    await Deno.remove(`${out}/samples`, { recursive: true });
    const { code, stdout } = await runImage(...TINY, `--steps=${STEPS}`, "--out", out);
    assertEquals(code, 0);
    assertStringIncludes(stdout, `${STEPS} steps of 4 images in `); // the time of the training
    assertEquals(await resultOf(out), await resultOf(await straightRun()));
  },
});

Deno.test({
  name: "image --help prints every preset and flag to the standard output",
  ignore,
  fn: async () => {
    const { code, stdout, stderr } = await runImageProcess("--help");
    assertEquals([code, stderr], [0, ""]);
    for (
      const word of ["smoke", "paper", "--[no-]sample-only", "--beta-schedule", "--learning-rate"]
    ) {
      assertStringIncludes(stdout, word);
    }
  },
});
