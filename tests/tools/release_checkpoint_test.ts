import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { UserError } from "../../base/errors.ts";
import { float32 } from "../../engine/tree.ts";
import { formatEvaluation } from "../../image/evaluation/result_file.ts";
import { weightsHash } from "../../training/checkpoint/weights_identity.ts";
import { ravel } from "../../nn/parameters.ts";
import { releaseCheckpoint } from "../../tools/release_checkpoint.ts";
import { loadCheckpoint } from "../../training/checkpoint/checkpoint.ts";
import { saveCheckpoint } from "../../training/checkpoint/folders.ts";
import { imageCheckpoint, loadImageModel } from "../../image/checkpoint.ts";
import { PRESETS } from "../../image/presets.ts";
import { EVALUATION } from "../image/evaluation/example_evaluation.ts";
import { permitted } from "../permissions.ts";
import { randomParameters, TINY_SPECS, TINY_UNET } from "../tiny_unet.ts";

const ignore = !permitted({ name: "read" }) || !permitted({ name: "write" });

/** Saves a run with one checkpoint. @returns The weights of its moving average. */
async function saveRun(
  run: string,
  parameters: ReturnType<typeof randomParameters> = randomParameters(),
): Promise<ReturnType<typeof randomParameters>> {
  const ema = ravel(parameters, TINY_SPECS);
  const zeros = float32(new Float32Array(ema.data.length));
  await saveCheckpoint(
    run,
    imageCheckpoint({
      network: TINY_UNET,
      schedule: noiseSchedule(),
      config: { ...PRESETS.nano, sampler: "ddim", seed: 3 },
      state: { parameters: zeros, ema, optimizer: { mean: zeros, variance: zeros } },
      step: 12,
      configHash: "abc",
    }),
  );
  return parameters;
}

Deno.test({
  name: "releaseCheckpoint() writes the average as float16 and a card, without training state",
  ignore,
  fn: async () => {
    const run = await Deno.makeTempDir();
    try {
      const parameters = await saveRun(run);
      await releaseCheckpoint(run, `${run}/released`, "# Card\n");
      const released = await loadCheckpoint(`${run}/released`);
      assertEquals(released.card, "# Card\n");
      assertEquals(released.state, undefined);
      for (const { dtype } of released.components["unet"]!.weights!.values()) {
        assertEquals(dtype, "F16");
      }
      for (const [name, { data }] of Object.entries(loadImageModel(released).parameters)) {
        assertEquals([...data], [...parameters[name]!.data].map(Math.f16round), name);
      }
    } finally {
      await Deno.remove(run, { recursive: true });
    }
  },
});

Deno.test({
  name: "releaseCheckpoint() throws when a weight is too large for float16, and writes nothing",
  ignore,
  fn: async () => {
    const run = await Deno.makeTempDir();
    try {
      const parameters = randomParameters();
      const [name = "", { data, shape }] = Object.entries(parameters)[2]!;
      const large = Float32Array.from(data, (value, i) => i === 1 ? 65520 : Number(value));
      await saveRun(run, { ...parameters, [name]: float32(large, [...shape]) });
      const error = await assertRejects(
        () => releaseCheckpoint(run, `${run}/released`, "# Card\n"),
        UserError,
        "element 1, 65520, is too large for F16",
      );
      assertStringIncludes(error.message, name);
      const names = await Array.fromAsync(Deno.readDir(run), ({ name }) => name);
      assertEquals(names, ["checkpoints"]);
    } finally {
      await Deno.remove(run, { recursive: true });
    }
  },
});

Deno.test({
  name:
    "releaseCheckpoint() writes figures into metrics.json and the card when they are of these weights",
  ignore,
  fn: async () => {
    const run = await Deno.makeTempDir();
    try {
      const parameters = await saveRun(run);
      const path = `${run}/evaluation.json`;
      const write = (weights: string) =>
        Deno.writeTextFile(
          path,
          formatEvaluation({ ...EVALUATION, model: { source: "", weights } }),
        );
      await write("00");
      const card = "# Card\n\n## Measured quality\n\nOld.\n\n## Licence\n\nMIT\n";
      await assertRejects(
        () => releaseCheckpoint(run, `${run}/none`, card, path),
        UserError,
        "is of other weights",
      );
      assertEquals(await Deno.stat(`${run}/none`).catch(() => "none"), "none");

      await write(weightsHash(parameters));
      await releaseCheckpoint(run, `${run}/first`, card, path);
      const released = await loadCheckpoint(`${run}/first`);
      const expected = [
        "# Card\n\n## Measured quality\n\n| figure |",
        "\n| FID | 4.00 (3.00 to 5.50) | 1.50 | how it is measured |\n",
        "\n| class agreement | 90.0 % (90.0 % to 90.0 %) | 90.0 % |  |\n",
        "\nSamples: how they are sampled.\n",
        "\n```\n\n## Licence\n\nMIT\n",
      ];
      for (const text of expected) assertStringIncludes(released.card!, text);
      assertEquals(released.card!.includes("Old."), false);
      const metrics = JSON.parse(await Deno.readTextFile(`${run}/first/metrics.json`));
      assertEquals([metrics.fid, metrics.kid, metrics.class_agreement], [4, 0.004, 0.9]);
      assertEquals(metrics.protocol, EVALUATION.protocol);
      assertEquals(metrics.training, { step: 12, seed: 3 });

      // The published weights are rounded already, so that publishing them again changes nothing.
      await releaseCheckpoint(`${run}/first`, `${run}/second`, released.card!, path);
      for (const file of ["README.md", "metrics.json", "manifest.json"]) {
        assertEquals(
          await Deno.readTextFile(`${run}/second/${file}`),
          await Deno.readTextFile(`${run}/first/${file}`),
        );
      }
    } finally {
      await Deno.remove(run, { recursive: true });
    }
  },
});
