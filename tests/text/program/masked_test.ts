import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { hashFolder, imageRuns } from "../../image/program/program.ts";
import { runText } from "./program.ts";

const ignore = !imageRuns;

/** A model so small that a run takes a second. */
const TINY = [
  "--dataset=sudoku",
  "--preset=smoke",
  "--threads=1",
  "--denoiser-width=8",
  "--diffusion-batch-size=4",
  "--diffusion-validation-size=6",
];

const folders: string[] = [];
async function temporaryFolder(): Promise<string> {
  const path = await Deno.makeTempDir({ prefix: "text masked test " });
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

async function lines(path: string): Promise<Record<string, unknown>[]> {
  return (await Deno.readTextFile(path)).trimEnd().split("\n").map((line) => JSON.parse(line));
}

const QUIZ = "530070000600195000098000060800060003400803001700020006060000280000419005000080079";
const SOLUTION =
  "534678912672195348198342567859761423426853791713924856961537284287419635345286179";

Deno.test({
  name: "text --dataset sudoku trains, answers, reports, and goes on to the same weights",
  ignore,
  fn: async () => {
    const out = `${await temporaryFolder()}/run`;
    const flags = [...TINY, "--out", out, "--trajectory"];
    const { figures } = JSON.parse(await succeed(...flags, "--json"));
    const answers = await lines(`${out}/samples/samples.jsonl`);
    assertEquals(answers.length, 5);
    for (const { prompt, text, reference, right } of answers) {
      const [quiz, answer, solution] = [String(prompt), String(text), String(reference)];
      assert(/^[1-9]{81}$/.test(answer), answer);
      assert([...quiz].every((digit, i) => digit === "0" || digit === answer[i]), "givens stay");
      assertEquals(right, answer === solution);
    }
    const blanks = answers.flatMap(({ prompt, text, reference }) =>
      [...String(prompt)].flatMap((digit, i) =>
        digit === "0" ? [String(text)[i] === String(reference)[i]] : []
      )
    );
    const share = figures.find(({ name }: { name: string }) => name.startsWith("Share of masked"));
    assertEquals(share.measured, blanks.filter((right) => right).length / blanks.length);
    assertStringIncludes(await Deno.readTextFile(`${out}/report.html`), "------+-------+------");
    const steps = await lines(`${out}/samples/trajectory.jsonl`);
    const last = steps.filter(({ sample }) => sample === 0).at(-1)!;
    assertEquals(last["text"], answers[0]!["text"]);

    assertStringIncludes(await succeed(...flags), "sample: the same answers are in");
    // As if it had been interrupted after the first checkpoint.
    const step = `${out}/checkpoints/step-000020`;
    const before = await hashFolder(step);
    await Deno.remove(step, { recursive: true });
    assertStringIncludes(await succeed(...flags), "continuing after step 10");
    assertEquals(await hashFolder(step), before);

    const solved = `${await temporaryFolder()}/solved`;
    const puzzles = `${await temporaryFolder()}/a.csv`;
    await Deno.writeTextFile(puzzles, `quizzes,solutions\n${QUIZ},${SOLUTION}\n`);
    const only = ["--sample-only", "--threads=1", "--checkpoint", out, "--puzzles", puzzles];
    const printed = await succeed(...only, "--out", solved);
    assertStringIncludes(printed, "5 3 . | . 7 . | . . .");
    const [answer] = await lines(`${solved}/samples/samples.jsonl`);
    assertEquals([answer!["prompt"], answer!["reference"]], [QUIZ, SOLUTION]);
    await Deno.writeTextFile(puzzles, `quiz\n5${QUIZ.slice(0, 80)}\n`);
    const { code, stderr } = await runText(...only);
    assertEquals(code, 1);
    assertStringIncludes(stderr, "a.csv, line 2: row 1 has the digit 5 twice");
  },
});

Deno.test({
  name: "text --sample-only --puzzles solves a published puzzle with the released weights",
  ignore,
  fn: async () => {
    const folder = await temporaryFolder();
    await Deno.writeTextFile(`${folder}/a.csv`, `quiz,solution\n${QUIZ},${SOLUTION}\n`);
    const stdout = await succeed(
      ...["--sample-only", "--puzzles", `${folder}/a.csv`, "--sample-steps=20"],
      ...["--out", `${folder}/solved`],
    );
    assertStringIncludes(stdout, "100.0 % (1 of 1");
    const [answer] = await lines(`${folder}/solved/samples/samples.jsonl`);
    assertEquals([answer!["prompt"], answer!["text"]], [QUIZ, SOLUTION]);
  },
});

Deno.test({
  name: "text --diffusion masked trains on problems and answers them, also from the run alone",
  ignore,
  fn: async () => {
    for (const dataset of ["countdown", "multiplication"]) {
      const out = `${await temporaryFolder()}/run`;
      const flags = [...TINY.slice(1), "--diffusion=masked", "--samples=5", "--sample-steps=3"];
      await succeed(...flags, `--dataset=${dataset}`, "--diffusion-steps=2", "--out", out);
      const first = await lines(`${out}/samples/samples.jsonl`);
      assertEquals(first.length, 5);
      await succeed("--sample-only", "--checkpoint", out, "--out", `${out} again`);
      assertEquals(await lines(`${out} again/samples/samples.jsonl`), first);
    }
  },
});

Deno.test({
  name: "text --dataset countdown answers by latent diffusion too",
  ignore,
  fn: async () => {
    const out = `${await temporaryFolder()}/run`;
    const stdout = await succeed(
      ...["--dataset=countdown", "--numbers=3", "--preset=smoke", "--threads=1", "--steps=2"],
      ...["--diffusion-steps=2", "--samples=3", "--validation-size=4", "--out", out],
    );
    assertStringIncludes(stdout, "Countdown with 3 numbers, generated: 1000 problems to train on");
    const answers = await lines(`${out}/diffusion/samples/samples.jsonl`);
    assertEquals(answers.length, 3);
  },
});

Deno.test({
  name: "text refuses flags that do not fit the kind of diffusion",
  ignore,
  fn: async () => {
    for (
      const [flags, message] of [
        [["--dataset=sudoku", "--latents=4"], "--latents is for --diffusion latent"],
        [["--dataset=sudoku", "--stage=vae"], "--stage vae is for --diffusion latent"],
        [["--dataset=sudoku", "--diffusion=latent"], "--dataset sudoku is for --diffusion masked"],
        [["--dataset=sudoku", "--givens=9"], "--givens 9: give a number from 17 to 80"],
        [["--dataset=sudoku", "--denoiser-width=9"], "--denoiser-width 9 must be a multiple"],
        [["--dataset=math", "--diffusion=masked"], "--diffusion masked is for --dataset sudoku"],
        [["--dataset=multiplication", "--diffusion=masked", "--puzzles=a"], "--puzzles is for"],
        [["--dataset=commonsense", "--diffusion=masked"], "name it with --encoder-from"],
        [
          ["--dataset=commonsense", "--diffusion=masked", "--diffusion-steps=4"],
          "--diffusion-steps has no effect on published weights",
        ],
        [["--dataset=countdown", "--numbers=2"], "--numbers 2: must be an integer from 3 to 5"],
        [["--dataset=math", "--puzzles=a.csv"], "--puzzles is for --diffusion masked"],
        [["--level=any"], "--level is for --diffusion masked"],
      ] as const
    ) {
      const { code, stderr } = await runText(...flags);
      assertEquals(code, 2, stderr);
      assertStringIncludes(stderr, message);
    }
  },
});
