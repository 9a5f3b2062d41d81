import { assertEquals, assertMatch } from "@std/assert";
import { float32 } from "../../engine/tree.ts";
import { readSafetensors } from "../../nn/safetensors.ts";
import { watchSteps } from "../../training/watch_steps.ts";
import { permitted } from "../permissions.ts";

const ignore = !permitted({ name: "read" }, { name: "write" });

/** A batch of images and labels, in two parts. */
const BATCH = [1, 2].map((value) => ({
  x: float32([value, NaN, Infinity], [1, 3]),
  labels: { dtype: "int32", shape: [1], data: Int32Array.of(value) } as const,
}));

async function inRun(
  test: (watch: ReturnType<typeof watchSteps>, lines: string[], run: string) => Promise<void>,
): Promise<void> {
  const run = await Deno.makeTempDir();
  const lines: string[] = [];
  try {
    await test(watchSteps(run, (line) => lines.push(line)), lines, run);
  } finally {
    await Deno.remove(run, { recursive: true });
  }
}

Deno.test({
  name: "keep() writes the batch of a failed step bit for bit, with its loss and its norm",
  ignore,
  fn: () =>
    inRun(async ({ keep }, _, run) => {
      const outcome = { loss: NaN, gradNorm: Infinity };
      const path = `${run}/bad-batches/step-000012.safetensors`;
      assertEquals(await keep(12, BATCH, outcome), `Its batch is in ${path}. `);
      const { tensors, metadata } = await readSafetensors(path);
      assertEquals([...tensors.keys()].sort(), ["0.labels", "0.x", "1.labels", "1.x"]);
      assertEquals([...tensors.get("1.x")!.data as Float32Array], [2, NaN, Infinity]);
      assertEquals([...tensors.get("0.labels")!.data as Int32Array], [1]);
      assertEquals(
        ["step", "loss", "gradNorm"].map((name) => metadata.get(name)),
        ["12", "NaN", "Infinity"],
      );
      // No disk fills up with them.
      for (let step = 13; step < 40; step++) await keep(step, BATCH, outcome);
      const files = await Array.fromAsync(Deno.readDir(`${run}/bad-batches`));
      assertEquals(files.length, 10);
    }),
});

Deno.test({
  name: "watch() reports skipped steps and loss spikes at once, and keeps the batch of a spike",
  ignore,
  fn: () =>
    inRun(async ({ watch }, lines, run) => {
      const usual = {
        state: { parameters: float32([0]), ema: float32([0]), optimizer: {} },
        batch: BATCH,
        figures: {},
        loss: 2,
        gradNorm: 1,
        learningRate: 1,
        skipped: false,
        logs: false,
        endsWindow: false,
        measures: false,
        saves: false,
        stops: false,
      };
      for (let step = 1; step <= 40; step++) {
        await watch({
          ...usual,
          step,
          ...(step === 30 ? { loss: 50 } : {}),
          ...(step === 35 ? { gradNorm: Infinity, skipped: true } : {}),
        });
      }
      assertEquals(lines.length, 2);
      assertMatch(
        lines[0]!,
        /^the loss of step 30 is 50, 25 times as before\. Its batch is in .+30\./,
      );
      assertMatch(
        lines[1]!,
        /^step 35 is skipped: its gradients overflow \(norm Infinity, loss 2\)$/,
      );
      const names = await Array.fromAsync(Deno.readDir(`${run}/bad-batches`), ({ name }) => name);
      assertEquals(names, ["step-000030.safetensors"]);
    }),
});

Deno.test({
  name: "keep() returns the reason when a batch cannot be written",
  ignore,
  fn: () =>
    inRun(async ({ keep }, _, run) => {
      await Deno.writeTextFile(`${run}/bad-batches`, "a file");
      const said = await keep(1, BATCH, { loss: NaN, gradNorm: 1 });
      assertMatch(said, /^\(cannot create the folder .+bad-batches: .+\.\) $/);
    }),
});
