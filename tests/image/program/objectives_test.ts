/** Trains each objective and network other than a UNet with a noise schedule, resumes it and samples. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { decode } from "fast-png";
import { decodeSafetensors } from "../../../nn/safetensors.ts";
import { imageRuns, resultOf, runImage, runImageProcess, workplace } from "./program.ts";

const ignore = !imageRuns;
const { folder } = workplace(1);

/** The smoke preset with fewer samples. */
const SAMPLING = ["--preset=smoke", "--threads=1", "--samples=10", "--sample-steps=3"];

/** The same, with a shorter training. */
const BASE = [
  ...SAMPLING,
  "--batch-size=32",
  "--validation-size=20",
  "--log-every=2",
  "--eval-every=4",
  "--checkpoint-every=6",
  "--warmup-steps=2",
];

async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runImage(...BASE, ...args);
  assertEquals(code, 0, stderr);
  return stdout;
}

/** The same in a process of its own. */
async function runProcess(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runImageProcess(...BASE, ...args);
  assertEquals(code, 0, stderr);
  return stdout;
}

/** Samples from the checkpoint of a run. @returns The picture. */
async function sampleFrom(checkpoint: string, out: string, ...flags: string[]) {
  const named = [`--checkpoint=${checkpoint}`, `--out=${out}`];
  const { code, stderr } = await runImage(...SAMPLING, "--sample-only", ...named, ...flags);
  assertEquals(code, 0, stderr);
  return decode(await Deno.readFile(`${out}/grid.png`)).data;
}

const gridOf = async (run: string) => decode(await Deno.readFile(`${run}/samples/grid.png`)).data;

const indexOf = async (checkpoint: string) =>
  JSON.parse(await Deno.readTextFile(`${checkpoint}/model_index.json`));

/** Expects an error of `--sample-only` in one line. */
async function refuse(checkpoint: string, flags: readonly string[], message: RegExp) {
  const { code, stderr } = await runImage(
    ...SAMPLING,
    "--sample-only",
    `--checkpoint=${checkpoint}`,
    `--out=${checkpoint}-none`,
    ...flags,
  );
  assertMatch(stderr, message);
  assertMatch(stderr, /^error: [^\n]+\n$/);
  assertEquals(code, 2);
}

Deno.test({
  name: "image resumes a DiT with learned variances, self-conditioning and loss-aware timesteps",
  ignore,
  fn: async () => {
    const place = await folder();
    const [straight, parts] = [`${place}/straight`, `${place}/parts`];
    const args = [
      "--denoiser=dit",
      "--learned-variance",
      "--self-conditioning",
      "--sampler=ddpm",
      "--timestep-sampling=loss_aware",
      "--timesteps=10",
    ];
    await runProcess(...args, "--steps=12", `--out=${straight}`);
    await run(...args, "--steps=7", `--out=${parts}`);
    await run(...args, "--steps=12", `--out=${parts}`, "--resume");
    const [whole, resumed] = [await resultOf(straight), await resultOf(parts)];
    assertEquals(Object.keys(resumed), Object.keys(whole));
    for (const [path, hash] of Object.entries(whole)) {
      // The last step of a run writes a row of metrics, and its means are part of the state.
      if (!/manifest\.json|training_state\.json|metrics/.test(path)) {
        assertEquals(resumed[path], hash, path);
      }
    }

    const checkpoint = `${straight}/checkpoints/step-000012`;
    const index = await indexOf(checkpoint);
    assertEquals(index.transformer, ["nanodiffusion", "DiT"]); // diffusers' has no estimates
    assertEquals(index.scheduler, ["diffusers", "DDPMScheduler"]);
    assertEquals(await sampleFrom(straight, `${place}/drawn`), await gridOf(straight));

    const name = `${checkpoint}/training_state.safetensors`;
    const { tensors } = decodeSafetensors(await Deno.readFile(name), name);
    const counts = Array.from(tensors.get("timestep_counts")!.data, Number);
    assertEquals(counts.length, 10);
    assertEquals(counts.reduce((a, b) => a + b), 12 * 32, "every example was seen");
    assert(counts.every((count) => count >= 10), "so that they are drawn by their losses");
    assertEquals(tensors.get("timestep_losses")!.shape, [10, 10]);
  },
});

Deno.test({
  name: "image trains a DiT with flow matching in the layout of diffusers, and draws trajectories",
  ignore,
  fn: async () => {
    const place = await folder();
    const out = `${place}/run`;
    const args = ["--denoiser=dit", "--objective=flow_matching", "--flow-shift=2", "--steps=4"];
    await runProcess(...args, `--out=${out}`);
    const { _diffusers_version: _, ...index } = await indexOf(`${out}/checkpoints/step-000004`);
    assertEquals(index, {
      _class_name: "DiTPipeline",
      scheduler: ["diffusers", "FlowMatchEulerDiscreteScheduler"],
      transformer: ["diffusers", "DiTTransformer2DModel"],
      vae: [null, null],
    });
    assertEquals(await sampleFrom(out, `${place}/drawn`), await gridOf(out));
    const gif = await Deno.readFile(`${out}/samples/trajectory.gif`);
    assertEquals(new TextDecoder().decode(gif.subarray(0, 6)), "GIF89a");
    const report = await Deno.readTextFile(`${out}/report.html`);
    assertStringIncludes(report, "mean squared error of the velocity");
    assertStringIncludes(report, `data:image/gif;base64,${gif.toBase64()}`);
    await refuse(
      out,
      ["--sampler=ddim"],
      /--sampler ddim: the model was trained with flow matching/,
    );
    await refuse(
      out,
      ["--interpolate=Bag,Coat", "--encode"],
      /--encode uses ddim, but the model was trained with flow matching/,
    );
  },
});

Deno.test({
  name: "image trains a UNet with learned variances and self-conditioning, and samples with ddim",
  ignore,
  fn: async () => {
    const place = await folder();
    const out = `${place}/run`;
    await runProcess(
      "--channels=8,8",
      "--attention-head-dim=8",
      "--learned-variance",
      "--self-conditioning",
      "--timestep-sampling=antithetic",
      "--steps=4",
      `--out=${out}`,
    );
    const { _diffusers_version: _, ...index } = await indexOf(`${out}/checkpoints/step-000004`);
    assertEquals(index, {
      _class_name: "DDPMPipeline", // which knows what the variances are for
      scheduler: ["diffusers", "DDPMScheduler"],
      unet: ["diffusers", "UNet2DModel"],
    });
    const drawn = await sampleFrom(out, `${place}/drawn`, "--sampler=ddim");
    assertEquals(drawn, await gridOf(out));
    await refuse(
      out,
      ["--interpolate=Bag,Coat", "--encode"],
      /uses self-conditioning, which encoding does not/,
    );
  },
});

/** Asserts that the state of a run's last checkpoint is finite. @returns Its step. */
async function finiteState(out: string): Promise<number> {
  const names = await Array.fromAsync(Deno.readDir(`${out}/checkpoints`), ({ name }) => name);
  const last = names.sort().at(-1)!;
  const path = `${out}/checkpoints/${last}/training_state.safetensors`;
  const { tensors } = decodeSafetensors(await Deno.readFile(path), path);
  for (const [name, { data }] of tensors) {
    assert(Array.from(data, Number).every(Number.isFinite), `${name} is not finite`);
  }
  return Number(last.replace("step-", ""));
}

Deno.test({
  name: "image skips steps when gradients overflow, counts them, and keeps their batches",
  ignore,
  fn: async () => {
    const out = `${await folder()}/run`;
    // With weights of 1 / SNR^5 the gradients overflow where almost no signal is left: at the last
    // of the 100 timesteps, which is rare in a batch of four.
    const wild = ["--p2-gamma=6", "--p2-k=1e-30", "--batch-size=4", "--steps=60"];
    const base = BASE.filter((flag) => !/batch-size|checkpoint-every/.test(flag));
    const { code, stderr } = await runImage(...base, "--denoiser=dit", ...wild, `--out=${out}`);
    assertEquals(code, 0, stderr);
    const skipped = Array.from(stderr.matchAll(/^step (\d+) is skipped: its gradients overflow/gm));
    assert(skipped.length > 0, stderr);
    const [header, ...rows] = (await Deno.readTextFile(`${out}/metrics.csv`)).trim().split("\n");
    const column = header!.split(",").indexOf("skippedSteps");
    const counts = rows.map((row) => Number(row.split(",")[column]));
    assertEquals(counts.reduce((a, b) => a + b), skipped.length);
    assertEquals(await finiteState(out), 60);
    const bad = `${out}/bad-batches/step-${skipped[0]![1]!.padStart(6, "0")}.safetensors`;
    const { tensors, metadata } = decodeSafetensors(await Deno.readFile(bad), bad);
    assertEquals(tensors.get("timesteps")?.shape, [4]);
    assert(!Number.isFinite(Number(metadata.get("gradNorm"))), metadata.get("gradNorm"));
  },
});

Deno.test({
  name: "image stops when the loss is not finite, names the step, and keeps the last checkpoint",
  ignore,
  fn: async () => {
    const out = `${await folder()}/run`;
    // As above, but the weight at the last timestep itself exceeds float32.
    const wild = [
      "--denoiser=dit",
      "--p2-gamma=9",
      "--p2-k=1e-30",
      "--batch-size=4",
      "--steps=200",
    ];
    const names = wild.map((flag) => flag.split("=")[0]!);
    const base = BASE.filter((flag) => !names.includes(flag.split("=")[0]!));
    const args = [...base.filter((flag) => !/checkpoint-every/.test(flag)), "--checkpoint-every=1"];
    const { code, stderr } = await runImage(...args, ...wild, `--out=${out}`);
    assertEquals(code, 1, stderr);
    const [, step] = /^error: training diverged at step (\d+): the loss is [^\n]+$/m.exec(stderr) ??
      [];
    assert(step !== undefined, stderr);
    assertMatch(stderr, /The last checkpoint is kept; try a lower learning rate/);
    assertEquals(await finiteState(out), Number(step) - 1);
    const bad = `${out}/bad-batches/step-${step.padStart(6, "0")}.safetensors`;
    assertStringIncludes(stderr, `Its batch is in ${bad}. `);
    const { metadata } = decodeSafetensors(await Deno.readFile(bad), bad);
    assertEquals(metadata.get("step"), step);
  },
});
