/** What image.ts can train besides a UNet by a noise schedule: each resumes, and draws samples. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { decode } from "fast-png";
import { decodeSafetensors } from "../nn/safetensors.ts";
import { imageRuns, resultOf, runImage, workplace } from "./image_program.ts";

const ignore = !imageRuns;
const { folder } = workplace(1);

/** The smoke preset, shorter. */
const BASE = [
  ...["--preset=smoke", "--threads=1", "--batch-size=32", "--validation-size=20", "--samples=10"],
  ...["--log-every=2", "--eval-every=4", "--checkpoint-every=6", "--warmup-steps=2"],
  ...["--sample-steps=3"],
];

async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runImage(...BASE, ...args);
  assertEquals(code, 0, stderr);
  return stdout;
}

const SMALL_UNET = ["--channels=8,8", "--attention-head-dim=8"];

for (
  const { name, args, pipeline, classes } of [
    {
      name: "a DiT that learns variances and is shown its estimates, at loss-aware time steps",
      args: [
        ...["--denoiser=dit", "--learned-variance", "--self-conditioning", "--sampler=ddpm"],
        ...["--timestep-sampling=loss_aware", "--timesteps=10"],
      ],
      pipeline: "DiTPipeline",
      classes: { transformer: ["nanodiffusion", "DiT"], scheduler: "DDPMScheduler" },
    },
    {
      name: "a DiT of diffusers' layout by flow matching",
      args: ["--denoiser=dit", "--objective=flow_matching", "--flow-shift=2"],
      pipeline: "DiTPipeline",
      classes: {
        transformer: ["diffusers", "DiTTransformer2DModel"],
        scheduler: "FlowMatchEulerDiscreteScheduler",
      },
    },
    {
      name: "a UNet by flow matching that is shown its estimates",
      args: [...SMALL_UNET, "--objective=flow_matching", "--self-conditioning"],
      pipeline: "DDPMPipeline",
      classes: { unet: ["diffusers", "UNet2DModel"], scheduler: "FlowMatchEulerDiscreteScheduler" },
    },
    {
      name: "a UNet that learns variances, at mirrored time steps, sampled by ddim",
      args: [...SMALL_UNET, "--learned-variance", "--timestep-sampling=antithetic"],
      pipeline: "DDPMPipeline",
      classes: { unet: ["diffusers", "UNet2DModel"], scheduler: "DDPMScheduler" },
    },
  ]
) {
  Deno.test({
    name: `image trains ${name}, resumes it bit for bit and samples from it`,
    ignore,
    fn: async () => {
      const place = await folder();
      const [straight, parts] = [`${place}/straight`, `${place}/parts`];
      await run(...args, "--steps=12", `--out=${straight}`);
      await run(...args, "--steps=7", `--out=${parts}`);
      await run(...args, "--steps=12", `--out=${parts}`, "--resume");
      const [whole, resumed] = [await resultOf(straight), await resultOf(parts)];
      // The hash of the configuration is that of each start; all that was computed is the same.
      for (const [path, hash] of Object.entries(whole)) {
        if (/manifest\.json|training_state\.json|metrics/.test(path)) continue;
        assertEquals(resumed[path], hash, path);
      }
      assertEquals(Object.keys(resumed), Object.keys(whole));

      const checkpoint = `${straight}/checkpoints/step-000012`;
      const index = JSON.parse(await Deno.readTextFile(`${checkpoint}/model_index.json`));
      assertEquals(index._class_name, pipeline);
      for (const [part, library] of Object.entries(classes)) {
        if (part === "scheduler") assertEquals(index.scheduler, ["diffusers", library]);
        else assertEquals(index[part], library);
      }

      const drawn = `${place}/drawn`;
      const said = await runImage(
        ...[...BASE, "--sample-only", `--checkpoint=${straight}`, `--out=${drawn}`],
      );
      assertEquals(said.code, 0, said.stderr);
      const sampled = decode(await Deno.readFile(`${drawn}/grid.png`)).data;
      const own = decode(await Deno.readFile(`${straight}/samples/grid.png`)).data;
      // Variances that are learned are ddpm's, which the checkpoint names; the run asked for ddim.
      if (args.includes("--timestep-sampling=antithetic")) assertEquals(sampled.length, own.length);
      else assertEquals(sampled, own);
      const gif = await Deno.readFile(`${straight}/samples/trajectory.gif`);
      assertEquals(new TextDecoder().decode(gif.subarray(0, 6)), "GIF89a");
      const report = await Deno.readTextFile(`${straight}/report.html`);
      assertStringIncludes(report, `data:image/gif;base64,${gif.toBase64()}`);
    },
  });
}

Deno.test({
  name:
    "image keeps loss-aware time steps' losses with the checkpoint, of all time steps in the end",
  ignore,
  fn: async () => {
    const out = `${await folder()}/run`;
    const args = ["--denoiser=dit", "--timestep-sampling=loss_aware", "--timesteps=10"];
    await run(...args, "--steps=12", `--out=${out}`);
    const name = `${out}/checkpoints/step-000012/training_state.safetensors`;
    const { tensors } = decodeSafetensors(await Deno.readFile(name), name);
    const counts = Array.from(tensors.get("timestep_counts")!.data, Number);
    assertEquals(counts.length, 10);
    assertEquals(counts.reduce((a, b) => a + b), 12 * 32, "every example was seen");
    assert(counts.every((count) => count >= 10), "so that they are drawn by their losses");
    assertEquals(tensors.get("timestep_losses")!.shape, [10, 10]);
  },
});

Deno.test({
  name: "image --sample-only refuses of a flow what needs a noise schedule",
  ignore,
  fn: async () => {
    const place = await folder();
    const args = ["--denoiser=dit", "--objective=flow_matching", "--steps=2"];
    await run(...args, `--out=${place}/run`);
    for (
      const [flags, message] of [
        [["--sampler=ddim"], /--sampler ddim: the model was trained by flow matching/],
        [["--interpolate=Bag,Coat", "--encode"], /--encode is ddim's, and the model is a flow/],
      ] as const
    ) {
      const { code, stderr } = await runImage(
        ...[...BASE, "--sample-only", `--checkpoint=${place}/run`, `--out=${place}/out`, ...flags],
      );
      assertMatch(stderr, message);
      assertMatch(stderr, /^error: [^\n]+\n$/);
      assertEquals(code, 2);
    }
  },
});

Deno.test({
  name: "image --sample-only refuses to encode images with a model that is shown its estimates",
  ignore,
  fn: async () => {
    const place = await folder();
    await run("--denoiser=dit", "--self-conditioning", "--steps=2", `--out=${place}/run`);
    const { code, stderr } = await runImage(
      ...[...BASE, "--sample-only", `--checkpoint=${place}/run`, `--out=${place}/out`],
      ...["--interpolate=Bag,Coat", "--encode"],
    );
    assertMatch(stderr, /^error: .+ is shown its last estimate of the image[^\n]+\n$/);
    assertEquals(code, 2);
  },
});

Deno.test({
  name:
    "image stops where the loss is no number, says at which step, and keeps the last checkpoint",
  ignore,
  fn: async () => {
    const out = `${await folder()}/run`;
    // Weights of 1 / SNR^5, which no gradient survives where hardly any signal is left: at the last
    // of the 100 time steps, which a batch of four seldom meets.
    const wild = ["--p2-gamma=6", "--p2-k=1e-30", "--batch-size=4", "--steps=200"];
    const base = BASE.filter((flag) => !/batch-size|checkpoint-every/.test(flag));
    const args = [...base, "--denoiser=dit", "--checkpoint-every=1", ...wild, `--out=${out}`];
    const { code, stderr } = await runImage(...args);
    assertEquals(code, 1, stderr);
    const [, step] = /^error: training diverged at step (\d+): the loss is [^\n]+$/m.exec(stderr) ??
      [];
    assert(step !== undefined, stderr);
    assertMatch(stderr, /The last checkpoint is kept; try a lower --learning-rate/);
    assert(Number(step) > 1, "or there is nothing to keep");
    const names = await Array.fromAsync(Deno.readDir(`${out}/checkpoints`), ({ name }) => name);
    const last = `step-${String(Number(step) - 1).padStart(6, "0")}`;
    assert(names.includes(last), `${names} without ${last}`);
    const path = `${out}/checkpoints/${last}/training_state.safetensors`;
    const { tensors } = decodeSafetensors(await Deno.readFile(path), path);
    for (const [name, { data }] of tensors) {
      assert(Array.from(data, Number).every(Number.isFinite), `${name} is not finite`);
    }
  },
});
