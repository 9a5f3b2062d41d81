import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { hashFolder, imageRuns } from "../../image/program/program.ts";
import { runText, tinyDenoiser } from "./program.ts";

const ignore = !imageRuns;

const folders: string[] = [];
async function temporaryFolder(): Promise<string> {
  const path = await Deno.makeTempDir({ prefix: "text evaluation test " });
  folders.push(path);
  return path;
}
Deno.test.afterAll(async () => {
  for (const path of folders) await Deno.remove(path, { recursive: true });
});

async function succeed(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runText(...args);
  assertEquals(code, 0, stderr);
  return stdout;
}

interface Table {
  readonly figures: readonly {
    readonly name: string;
    readonly measured: number;
    readonly protocol: string;
    readonly real?: { readonly measured: number };
  }[];
  readonly curve: readonly unknown[];
}

async function tableOf(out: string): Promise<Table> {
  return JSON.parse(await Deno.readTextFile(`${out}/diffusion/evaluation/evaluation.json`));
}

Deno.test({
  name: "text --stage evaluate writes a table of reviews with protocols, once",
  ignore,
  fn: async () => {
    const out = `${await temporaryFolder()}/run`;
    const flags = [...tinyDenoiser("--samples=5", "--judge-steps=4"), "--out", out];
    await succeed(...flags, "--stage=all");
    const table = await tableOf(out);
    const names = table.figures.map(({ name }) => name);
    const expected = [
      "Speed of sampling",
      "Distinct-1",
      "Distinct-4",
      "Self-BLEU",
      "Memorised 4-grams",
      "Unknown words",
      "Perplexity",
      "Rating of real reviews predicted, within one star",
      "Requested rating predicted, exact",
      "BLEU, half-noised, one step",
      "AuBLEU",
    ];
    for (const name of expected) assert(names.includes(name), `${name} in ${names}`);
    for (const { measured, protocol } of table.figures) {
      assert(Number.isFinite(measured) && protocol.length > 20, protocol);
    }
    assertEquals(table.curve.length, 10);
    const csv = await Deno.readTextFile(`${out}/diffusion/evaluation/evaluation.csv`);
    assertEquals(csv.trimEnd().split("\n").length, table.figures.length + 1);
    const report = await Deno.readTextFile(`${out}/report.html`);
    assertStringIncludes(report, "<h2>Evaluation</h2>");
    assertStringIncludes(report, "Requested rating predicted, exact");
    assertStringIncludes(report, "MAUVE is left out: it needs at least 200 samples");

    const before = await hashFolder(out);
    const again = await succeed(...flags, "--stage=evaluate");
    assertStringIncludes(again, "evaluate: the table of the same samples is in");
    const after = await hashFolder(out);
    for (const name of ["diffusion/evaluation/record.json", "judge/metrics.csv"]) {
      assertEquals(after[name], before[name]);
    }

    // With the trained GPT-2 as --judge, the table is the same.
    const judge = `${out}/judge/checkpoints/step-000004/language_model`;
    const named = await succeed(...flags, "--stage=evaluate", `--judge=${judge}`);
    assertStringIncludes(named, "evaluate: the table of the same samples is in");
    const none = await runText(...flags, "--stage=evaluate", `--judge=${out}/samples`);
    assertEquals([none.code, none.stderr.trimEnd().split("\n").length], [1, 1], none.stderr);
    const early = await runText(
      ...tinyDenoiser("--stage=evaluate", "--seed=1"),
      "--out",
      `${out}-none`,
    );
    assertEquals(early.code, 1);
    assertStringIncludes(early.stderr, "run --stage vae first");
  },
});

Deno.test({
  name: "text --condition summary measures BLEU and ROUGE, also of chosen candidates",
  ignore,
  fn: async () => {
    const out = `${await temporaryFolder()}/run`;
    const flags = ["--condition=summary", "--votes=2", "--decoding-temperature=0.5"];
    await succeed(...tinyDenoiser(...flags, "--judge-steps=2"), "--out", out);
    const lines = (await Deno.readTextFile(`${out}/diffusion/samples/samples.jsonl`))
      .trimEnd().split("\n").map((line) => JSON.parse(line));
    for (const { text, candidates } of lines) {
      assertEquals([candidates.length, candidates[0]], [2, text]);
    }
    const names = (await tableOf(out)).figures.map(({ name }) => name);
    for (const name of ["BLEU", "ROUGE-L", "ROUGE-2, minimum Bayes risk"]) {
      assert(names.includes(name), `${name} in ${names}`);
    }
  },
});

Deno.test({
  name: "text --baseline trains GPT-2 of the denoiser's size in both ways, in one table",
  ignore,
  fn: async () => {
    const out = `${await temporaryFolder()}/run`;
    const flags = [
      ...tinyDenoiser("--dataset=multiplication", "--max-tokens=12", "--latents=6", "--votes=2"),
      "--decoding-temperature=0.5",
      "--thought-passes=single",
      "--out",
      out,
    ];
    const direct = await succeed(...flags, "--baseline=direct");
    assertStringIncludes(direct, "baseline direct: ");
    const cot = await succeed(...flags, "--stage=evaluate", "--baseline=cot");
    assertStringIncludes(cot, "GPT-2, with steps: accuracy, 2 votes");
    const { figures, curve } = await tableOf(out);
    const accuracies = figures.map(({ name }) => name).filter((name) => /accuracy/i.test(name));
    assertEquals(accuracies, [
      "Accuracy, one sample",
      "Accuracy, 2 votes",
      "GPT-2, direct: accuracy, one sample",
      "GPT-2, direct: accuracy, 2 votes",
      "GPT-2, with steps: accuracy, one sample",
      "GPT-2, with steps: accuracy, 2 votes",
    ]);
    assertEquals(curve.length, 10);
    // Denoiser and baselines have about as many parameters.
    const [denoiser] = /diffusion: ([\d,]+) parameters/.exec(direct)!.slice(1);
    const [baseline] = /baseline direct: ([\d,]+) parameters/.exec(direct)!.slice(1);
    const [ours, theirs] = [denoiser!, baseline!].map((text) => Number(text.replaceAll(",", "")));
    assert(Math.abs(Math.log(ours! / theirs!)) < 0.1, `${ours} ${theirs}`);
    const answers = (await Deno.readTextFile(`${out}/baseline-cot/samples/samples.jsonl`))
      .trimEnd().split("\n");
    assertEquals(answers.length, 4);

    const again = await succeed(...flags, "--stage=evaluate", "--baseline=cot");
    assertStringIncludes(again, "baseline cot: the same answers are in");
    // It needs no denoiser: the same answers without one.
    const alone = [...flags.slice(0, -1), `${out}-alone`];
    await succeed(...alone, "--stage=vae");
    const first = await succeed(...alone, "--stage=baseline", "--baseline=cot");
    assertStringIncludes(first, "GPT-2, with steps: accuracy, one sample  ");
    const samples = "baseline-cot/samples/samples.jsonl";
    assertEquals((await hashFolder(`${out}-alone`))[samples], (await hashFolder(out))[samples]);
    const unnamed = await runText(...alone, "--stage=baseline");
    assertEquals(unnamed.code, 2);
    assertStringIncludes(unnamed.stderr, "--stage baseline needs --baseline: give that too");
    const refused = await runText(...tinyDenoiser("--baseline=cot"), "--out", `${out}-none`);
    assertEquals(refused.code, 2);
    assertStringIncludes(refused.stderr, "--baseline cot is for problems, which have answers");
  },
});
