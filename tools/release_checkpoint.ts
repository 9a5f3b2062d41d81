/**
 * Writes a run's last checkpoint for publication: the moving average as float16, without training
 * state.
 *
 *     deno run --allow-read --allow-write tools/release_checkpoint.ts RUN CHECKPOINT CARD [EVALUATION]
 *     deno run --allow-read --allow-write tools/release_checkpoint.ts runs/image-small-0 out card.md
 *     deno task image --sample-only --evaluate --evaluate-seeds 3 --checkpoint out --out runs/measured
 *     deno run --allow-read --allow-write tools/release_checkpoint.ts out checkpoints/new card.md \\
 *       runs/measured/evaluation.json
 *
 * CARD is the model card, in Markdown. EVALUATION is the evaluation.json that `--evaluate` wrote
 * for these weights: its figures go into metrics.json and into the card. RUN may also be a
 * published checkpoint.
 *
 * A text model is released in two steps: the autoencoder, then the denoiser with its run's record:
 *
 *     deno run --allow-read --allow-write tools/release_checkpoint.ts RUN out card.md
 *     deno run --allow-read --allow-write tools/release_checkpoint.ts RUN/diffusion out/diffusion card.md
 *
 * One of masked diffusion is released in one step.
 */
import { EXIT, usageError, UserError } from "../base/errors.ts";
import { fileError } from "../base/file_errors.ts";
import { readFileIfExists, writeFileAtomic } from "../base/files.ts";
import { isJsonObject, type JsonObject, parseJsonObject } from "../base/json.ts";
import { readEvaluation } from "../image/evaluation/result_file.ts";
import { evaluationMarkdown, withEvaluation } from "../image/evaluation/model_card.ts";
import { weightsHash } from "../training/checkpoint/weights_identity.ts";
import { loadCheckpoint, writeCheckpoint } from "../training/checkpoint/checkpoint.ts";
import { resolveCheckpoint } from "../training/checkpoint/folders.ts";
import { loadImageModel, shiftNote } from "../image/checkpoint.ts";
import type { NamedTensors } from "../nn/host_tensor.ts";
import { runProgram } from "../cli/program.ts";
import { formatRecord, readRecord, RECORD_NAME } from "../cli/run_record.ts";

const METRICS_NAME = "metrics.json";

async function readIfPresent(path: string): Promise<JsonObject | undefined> {
  const bytes = await readFileIfExists(path);
  return bytes && parseJsonObject(new TextDecoder().decode(bytes), path);
}

/** How a run trained its model; for a published checkpoint, the entry of its metrics.json. */
async function trainingOf(run: string, source: string): Promise<JsonObject> {
  if (source === run) {
    const training = (await readIfPresent(`${run}/${METRICS_NAME}`))?.["training"];
    return isJsonObject(training) ? { training } : {};
  }
  const record = await readRecord(`${run}/${RECORD_NAME}`);
  const state = await readIfPresent(`${source}/training_state.json`);
  return {
    training: {
      step: state?.["step"],
      seed: state?.["seed"],
      commands: record?.sessions.map(({ command }) => ["deno task", ...command].join(" ")),
      data: record?.data as unknown as JsonObject[] | undefined,
    },
  };
}

/** The figures of an evaluation. @throws {UserError} If it measured other weights. */
function figuresOf(evaluation: JsonObject, weights: string, path: string): JsonObject {
  const { format: _format, version: _version, model, ...figures } = evaluation;
  if (isJsonObject(model) && model["weights"] === weights) return figures;
  throw new UserError(
    `${path} is of other weights: measure these with deno task image --sample-only --evaluate ` +
      "--checkpoint",
  );
}

/**
 * Copies a run's checkpoint into a new folder with its weights rounded to float16, which halves the file.
 * `evaluation` is the path of these weights' evaluation.json.
 */
export async function releaseCheckpoint(
  run: string,
  target: string,
  card: string,
  evaluation?: string,
): Promise<void> {
  const source = await resolveCheckpoint(run, (line) => console.error(line));
  const checkpoint = await loadCheckpoint(source);
  const { modelIndex, components } = checkpoint;
  const measured = evaluation === undefined ? undefined : await readEvaluation(evaluation);
  const figures = measured === undefined ? undefined : figuresOf(
    measured,
    weightsHash(loadImageModel(checkpoint).parameters),
    evaluation!,
  );
  const halved = Object.entries(components).map(([folder, component]) => {
    const { weights } = component;
    return [folder, weights === undefined ? component : { ...component, weights: toHalf(weights) }];
  });
  const note = components["scheduler"] && shiftNote(components["scheduler"].config);
  const text = note === undefined || card.includes(note) ? card : `${card.trimEnd()}\n\n${note}`;
  await writeCheckpoint(target, {
    modelIndex,
    components: Object.fromEntries(halved),
    card: measured === undefined ? text : withEvaluation(text, evaluationMarkdown(measured)),
  });
  // Sampling reads the record of a run of text.ts. It need not publish where the data was.
  const record = await readRecord(`${run}/${RECORD_NAME}`);
  if (record?.program === "text-diffusion" || record?.program === "text-masked") {
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

function toHalf(weights: NamedTensors): NamedTensors {
  return new Map(
    [...weights].map(([name, { shape, data }]) => [
      name,
      { dtype: "F16", shape, data: data as Float32Array },
    ]),
  );
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
        "arguments: the run, the new folder, the file of the card, and optionally the " +
          "evaluation.json of these weights",
      );
    }
    await releaseCheckpoint(run, target, await readCard(card), evaluation);
    console.log(`${target}: the weights as float16`);
    return EXIT.done;
  });
}
