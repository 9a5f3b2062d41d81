import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { hashFolder, imageRuns, runImage, runImageProcess, tiny, workplace } from "./program.ts";

const ignore = !imageRuns;
const { folder, straightRun } = workplace(8);

const FILES = ["evaluation.csv", "evaluation.json", "neighbours.png", "timesteps.csv"];

Deno.test({
  name:
    "image --evaluate measures what it trained, and --sample-only --evaluate the same afterwards",
  ignore,
  fn: async () => {
    const run = `${await folder()}/run`;
    const evaluate = async (start: typeof runImage, ...args: string[]) => {
      const ended = await start(...tiny("--evaluate", "--evaluate-samples=20", ...args));
      assertEquals(ended.code, 0, ended.stderr);
      return ended;
    };
    await evaluate(runImageProcess, "--steps=8", `--out=${run}`);
    const report = await Deno.readTextFile(`${run}/report.html`);
    for (const text of ["Key figures", "FID", "Evaluation", "Training"]) {
      assertStringIncludes(report, text);
    }
    const out = `${await folder()}/out`;
    const { stdout, stderr } = await evaluate(
      runImage,
      "--sample-only",
      `--checkpoint=${run}`,
      `--out=${out}`,
      "--evaluate-seeds=2",
    );
    const files = Object.keys(await hashFolder(out)).sort();
    assertEquals(files, [...FILES, "grid.png", "record.json", "report.html"].sort());
    assertStringIncludes(
      stderr,
      "warning: the covariance of 512 features is singular with 20 samples",
    );

    const [trained, json] = await Promise.all(
      [run, out].map(async (path) =>
        JSON.parse(await Deno.readTextFile(`${path}/evaluation.json`))
      ),
    );
    assertEquals(json.seeds.map(({ seed }: { seed: number }) => seed), [0, 1]);
    const [first, second] = json.seeds;
    assertEquals(trained.seeds, [first]);
    for (const figure of ["bits_per_dimension", "loss", "real_images", "nearest_to_samples"]) {
      assertEquals(trained[figure], json[figure], figure);
    }
    assertEquals(trained.model.weights, json.model.weights);
    assert(first.fid !== second.fid);
    assertEquals(json.fid, (first.fid + second.fid) / 2);
    // After eight steps the samples are far from garments; real images are not.
    assert(json.fid > 3 * json.real_images.fid, `${json.fid} and ${json.real_images.fid}`);
    // The FID of a subset is above 0, and similar to that of training images.
    assert(json.fid_of_test_images > 0 && json.fid_of_test_images < 2 * json.real_images.fid);
    assert(json.class_agreement < 0.5 && json.real_images.class_agreement > 0.7);
    assert(json.classifier_accuracy > 0.9, "on the bundled sample's test images");
    assert(json.bits_per_dimension > 3 && json.bits_per_dimension < 20);
    for (const figure of ["fid", "kid", "class_agreement", "precision", "recall"]) {
      assert(json.protocol[figure].length > 20, figure);
    }
    assertStringIncludes(json.protocol.fid, "the 1,000 test images of the bundled sample");
    assertStringIncludes(json.protocol.samples, "mean over the seeds 0 to 1");

    const curve = (await Deno.readTextFile(`${out}/timesteps.csv`)).trim().split("\n");
    assertEquals(curve.length, 101); // T, and the names
    const bits = curve.slice(1).reduce((sum, line) => sum + Number(line.split(",")[1]), 0);
    assert(bits < json.bits_per_dimension && bits > 0.9 * json.bits_per_dimension, "all but L_T");

    const table = stdout.split("\n")
      .filter((line) => /^(seed|real|mean|lowest|highest)/.test(line));
    assertEquals(table.length, 6);
    assertMatch(stdout, /^ +samples +real data\nFID +[\d.]+ +[\d.]+\n/m);
    const html = await Deno.readTextFile(`${out}/report.html`);
    for (const text of ["Evaluation", "Loss by timestep"]) assertStringIncludes(html, text);
  },
});

for (
  const [name, args, message] of [
    [
      "settings of an evaluation without --evaluate",
      ["--evaluate-seeds=3"],
      "--evaluate-seeds 3 is for --evaluate: give that too.",
    ],
    [
      "--evaluate with one class",
      ["--evaluate", "--class=Bag"],
      "--class Bag is not for --evaluate, which compares samples of all classes with the test images: " +
      "leave it out.",
    ],
    [
      "--evaluate with another picture",
      ["--evaluate", "--sample-only", "--trajectory"],
      "--trajectory is not for --evaluate, which measures samples: leave one of them out.",
    ],
    [
      "too few samples",
      ["--evaluate", "--evaluate-samples=5"],
      "--evaluate-samples 5: must be an integer from 20 to 10000",
    ],
    [
      "more samples than images",
      ["--evaluate", "--evaluate-samples=6000"],
      "--evaluate-samples 6000: equally many training images are measured, and there are only 5500: " +
      "lower it.",
    ],
  ] as const
) {
  Deno.test({
    name: `image refuses ${name}`,
    ignore,
    fn: async () => {
      const out = `${await folder()}/out`;
      const ended = await runImage(...tiny(`--out=${out}`, ...args));
      assertEquals(ended.stderr, `error: ${message}\n`);
      assertEquals(ended.code, 2);
      assertEquals(await Deno.stat(out).then(() => true, () => false), false, "nothing is written");
    },
  });
}

Deno.test({
  name: "image --study ddim measures steps and etas, and does not repeat finished rows",
  ignore,
  fn: async () => {
    const out = `${await folder()}/study`;
    const flags = ["--study=ddim", `--checkpoint=${await straightRun()}`, `--out=${out}`];
    const study = async (...args: string[]) => {
      const settings = tiny(...flags, "--evaluate-samples=20", ...args);
      const ended = await runImage(
        ...settings.filter((flag) => !flag.startsWith("--sample-steps")),
      );
      assertEquals(ended.code, 0, ended.stderr);
      return ended;
    };
    const first = await study("--study-steps=1");
    const csv = await Deno.readTextFile(`${out}/ddim.csv`);
    const rows = csv.trim().split("\n").slice(1).map((line) => line.split(","));
    assertEquals(rows.map(([, sampler, eta, steps]) => [sampler, eta, steps]), [
      ["ddim", "0", "1"],
      ["ddim", "0.2", "1"],
      ["ddim", "0.5", "1"],
      ["ddim", "1", "1"],
      ["ddpm", "", "1"],
    ]);
    // The last step adds no noise whatever eta is, so one step gives the same samples and FID.
    assertEquals(new Set(rows.slice(0, 4).map((cells) => cells[7])).size, 1);
    assertMatch(first.stdout, /^FID, steps +1\nddim, eta 0 +[\d.]+$/m);
    assertEquals(Object.keys(await hashFolder(out)).sort(), [
      "ddim.csv",
      "ddim.svg",
      "report.html",
    ]);

    // Finished rows are read from the file.
    await Deno.writeTextFile(`${out}/ddim.csv`, csv.replace(rows[0]![7]!, "77.5"));
    const { stdout, stderr } = await study("--study-steps=1");
    assertStringIncludes(stdout, "77.50");
    assertEquals(stderr.match(/^ddim, eta/gm), null);
    assertStringIncludes(await Deno.readTextFile(`${out}/report.html`), "77.50");
  },
});

Deno.test({
  name: "image --study ddim refuses more steps than T",
  ignore,
  fn: async () => {
    const out = `${await folder()}/study`;
    const checkpoint = `--checkpoint=${await straightRun()}`;
    const ended = await runImage("--study=ddim", checkpoint, "--study-steps=101", `--out=${out}`);
    assertMatch(
      ended.stderr,
      /^error: --study-steps 101: the model has 100 timesteps; give at most 100/m,
    );
    assertEquals(ended.code, 2);
  },
});
