/**
 * Turns a run's last checkpoint into one to publish: the moving average as float16, no training state.
 *
 *     deno run --allow-read --allow-write tools/release_checkpoint.ts RUN CHECKPOINT
 *     deno run --allow-read --allow-write tools/release_checkpoint.ts runs/image-small-0 checkpoints/fashion-mnist
 */
import { EXIT, usageError } from "../engine/errors.ts";
import { readSafetensors, writeSafetensors } from "../nn/safetensors.ts";
import { resolveCheckpoint } from "../training/checkpoint_folders.ts";
import { runProgram } from "../training/program.ts";

/** What of a checkpoint is copied as it is. */
const CONFIGURATION = ["model_index.json", "unet/config.json", "scheduler/scheduler_config.json"];

/** Where diffusers looks for a UNet's weights. */
const WEIGHTS = "unet/diffusion_pytorch_model.safetensors";

/**
 * Copies a checkpoint with its weights rounded to float16, which halves the file.
 *
 * @param run A run's folder, or a checkpoint's.
 * @param target Where it goes; made if it is not there.
 * @returns How many tensors it holds.
 * @throws {UserError} If there is no checkpoint, or a weight is too large for float16.
 */
export async function releaseCheckpoint(run: string, target: string): Promise<number> {
  const source = await resolveCheckpoint(run, (line) => console.error(line));
  const { tensors, metadata } = await readSafetensors(`${source}/${WEIGHTS}`);
  for (const folder of ["unet", "scheduler"]) {
    await Deno.mkdir(`${target}/${folder}`, { recursive: true });
  }
  for (const path of CONFIGURATION) await Deno.copyFile(`${source}/${path}`, `${target}/${path}`);
  const halves = [...tensors].map(([name, tensor]) =>
    [name, { shape: tensor.shape, data: tensor.data as Float32Array, dtype: "F16" }] as const
  );
  await writeSafetensors(`${target}/${WEIGHTS}`, new Map(halves), {
    metadata: Object.fromEntries(metadata),
  });
  return halves.length;
}

if (import.meta.main) {
  await runProgram(async () => {
    const [run, target, ...rest] = Deno.args;
    if (run === undefined || target === undefined || rest.length > 0) {
      throw usageError("give two folders: the run, and where its checkpoint goes.");
    }
    console.log(`${target}: ${await releaseCheckpoint(run, target)} tensors as float16`);
    return EXIT.done;
  });
}
