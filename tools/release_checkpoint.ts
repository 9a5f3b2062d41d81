/**
 * Turns a run's last checkpoint into one to publish: the moving average as float16, no training state.
 *
 *     deno run --allow-read --allow-write tools/release_checkpoint.ts RUN CHECKPOINT CARD [EVALUATION]
 *     deno run --allow-read --allow-write tools/release_checkpoint.ts runs/image-small-0 out card.md
 *     deno task image --sample-only --evaluate --evaluate-seeds 3 --checkpoint out --out runs/measured
 *     deno run --allow-read --allow-write tools/release_checkpoint.ts out checkpoints/new card.md \\
 *       runs/measured/evaluation.json
 *
 * CARD is the model card, in Markdown. EVALUATION is the evaluation.json of these weights, by
 * `--evaluate` of the run or without training: its figures go into metrics.json and into the card. A
 * checkpoint that was published before can take the place of the run.
 *
 * Of texts, autoencoder and denoiser are released one after the other, the latter with its run's record:
 *
 *     deno run --allow-read --allow-write tools/release_checkpoint.ts RUN out card.md
 *     deno run --allow-read --allow-write tools/release_checkpoint.ts RUN/diffusion out/diffusion card.md
 */
import { EXIT, usageError, UserError } from "../base/errors.ts";
import { fileError } from "../base/file_errors.ts";
import { writeFileAtomic } from "../base/files.ts";
import { isJsonObject, type JsonObject, parseJsonObject } from "../base/json.ts";
import { readEvaluation } from "../image/evaluation/result_file.ts";
import { evaluationMarkdown, withEvaluation } from "../image/evaluation/model_card.ts";
import { weightsHash } from "../training/checkpoint/weights_identity.ts";
import { loadCheckpoint, writeCheckpoint } from "../training/checkpoint/checkpoint.ts";
import { resolveCheckpoint } from "../training/checkpoint/folders.ts";
import { loadImageModel } from "../image/checkpoint.ts";
import { runProgram } from "../cli/program.ts";
import { formatRecord, readRecord, RECORD_NAME } from "../cli/run_record.ts";

/** The name of the figures in a published checkpoint's folder. */
const METRICS_NAME = "metrics.json";

/** A JSON file's content, if there is such a file. */
async function readIfThere(path: string): Promise<JsonObject | undefined> {
  try {
    return parseJsonObject(await Deno.readTextFile(path), path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error instanceof UserError ? error : fileError(error, `read ${path}`);
  }
}

/** How a run trained its model; of a published checkpoint, what its metrics.json says. */
async function trainingOf(run: string, source: string): Promise<JsonObject> {
  if (source === run) {
    const training = (await readIfThere(`${run}/${METRICS_NAME}`))?.["training"];
    return isJsonObject(training) ? { training } : {};
  }
  const record = await readRecord(`${run}/${RECORD_NAME}`);
  const state = await readIfThere(`${source}/training_state.json`);
  return {
    training: {
      ...(state === undefined ? {} : { step: state["step"], seed: state["seed"] }),
      ...(record === undefined ? {} : {
        commands: record.sessions.map(({ command }) => ["deno task", ...command].join(" ")),
        data: record.data as unknown as JsonObject[],
      }),
    } as JsonObject,
  };
}

/** The figures of an evaluation, of which it is made sure that they are these weights'. */
function figuresOf(evaluation: JsonObject, weights: string, path: string): JsonObject {
  const { format: _format, version: _version, model, ...figures } = evaluation;
  if (isJsonObject(model) && model["weights"] === weights) return figures;
  throw new UserError(
    `${path} is of other weights: measure these, by deno task image --sample-only --evaluate ` +
      "--checkpoint",
  );
}

/**
 * Copies a checkpoint with its weights rounded to float16, which halves the file.
 *
 * @param run A run's folder, or a checkpoint's.
 * @param target Where it goes: a folder that is not there yet.
 * @param card The model card, in Markdown.
 * @param evaluation The evaluation.json of these weights, if they were measured.
 * @throws {UserError} If there is no checkpoint, a weight is too large for float16, the evaluation is
 * of other weights, or the target cannot be written.
 */
export async function releaseCheckpoint(
  run: string,
  target: string,
  card: string,
  evaluation?: string,
): Promise<void> {
  const source = await resolveCheckpoint(run, (line) => console.error(line));
  const checkpoint = await loadCheckpoint(source, { state: false });
  const { modelIndex, components } = checkpoint;
  const measured = evaluation === undefined ? undefined : await readEvaluation(evaluation);
  const figures = measured === undefined ? undefined : figuresOf(
    measured,
    await weightsHash(loadImageModel(checkpoint).parameters),
    evaluation!,
  );
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
  await writeCheckpoint(target, {
    ...{ modelIndex, components: Object.fromEntries(halved) },
    card: measured === undefined ? card : withEvaluation(card, evaluationMarkdown(measured)),
  });
  // A denoiser of texts is asked what its run was about. Where its data lay is nobody's business.
  const record = await readRecord(`${run}/${RECORD_NAME}`);
  if (record?.program === "text-diffusion") {
    const data = record.data.map((origin) => ({ ...origin, origin: "not included" }));
    await writeFileAtomic(
      `${target}/${RECORD_NAME}`,
      formatRecord({ ...record, data, sessions: [] }),
    );
  }
  if (figures === undefined) return;
  const metrics = { ...figures, ...await trainingOf(run.replace(/(?<=[^/])\/+$/, ""), source) };
  await writeFileAtomic(`${target}/${METRICS_NAME}`, `${JSON.stringify(metrics, null, 2)}\n`);
}

async function readCard(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw fileError(error, `read the card ${path}`);
  }
}

if (import.meta.main) {
  await runProgram(async () => {
    const [run, target, card, evaluation, ...rest] = Deno.args;
    if (run === undefined || target === undefined || card === undefined || rest.length > 0) {
      throw usageError(
        "give the run, the folder that its checkpoint goes to, the card's file, and the " +
          "evaluation.json of these weights if there is one.",
      );
    }
    await releaseCheckpoint(run, target, await readCard(card), evaluation);
    console.log(`${target}: the weights as float16`);
    return EXIT.done;
  });
}
