/**
 * Turns a run's last checkpoint into one to publish: the moving average as float16, no training state.
 *
 *     deno run --allow-read --allow-write tools/release_checkpoint.ts RUN CHECKPOINT CARD
 *     deno run --allow-read --allow-write tools/release_checkpoint.ts runs/image-small-0 out card.md
 *
 * CARD is the model card, in Markdown.
 */
import { EXIT, usageError } from "../engine/errors.ts";
import { loadCheckpoint, writeCheckpoint } from "../training/checkpoint.ts";
import { resolveCheckpoint } from "../training/checkpoint_folders.ts";
import { runProgram } from "../training/program.ts";

/**
 * Copies a checkpoint with its weights rounded to float16, which halves the file.
 *
 * @param run A run's folder, or a checkpoint's.
 * @param target Where it goes: a folder that is not there yet.
 * @param card The model card, in Markdown.
 * @throws {UserError} If there is no checkpoint, a weight is too large for float16, or the target
 * cannot be written.
 */
export async function releaseCheckpoint(run: string, target: string, card: string): Promise<void> {
  const source = await resolveCheckpoint(run, (line) => console.error(line));
  const { modelIndex, components } = await loadCheckpoint(source, { state: false });
  const halved = Object.entries(components).map(([folder, { weights, ...component }]) =>
    [folder, {
      ...component,
      ...(weights === undefined ? {} : {
        weights: new Map(
          [...weights].map(([name, { shape, data }]) =>
            [name, { dtype: "F16", shape, data: data as Float32Array }] as const
          ),
        ),
      }),
    }] as const
  );
  await writeCheckpoint(target, { modelIndex, components: Object.fromEntries(halved), card });
}

if (import.meta.main) {
  await runProgram(async () => {
    const [run, target, card, ...rest] = Deno.args;
    if (run === undefined || target === undefined || card === undefined || rest.length > 0) {
      throw usageError(
        "give the run, the folder that its checkpoint goes to, and the card's file.",
      );
    }
    await releaseCheckpoint(run, target, await Deno.readTextFile(card));
    console.log(`${target}: the weights as float16`);
    return EXIT.done;
  });
}
