/** Answers of a masked diffusion model: all steps of some, and how many are right. */
import { writeFileAtomic } from "../../base/files.ts";
import { sha256 } from "../../base/json.ts";
import { Progress } from "../../cli/progress.ts";
import { cachedResult } from "../../cli/cached_result.ts";
import { type TokenDenoiser, unmask } from "../../diffusion/samplers/unmask.ts";
import type { Device } from "../../engine/device.ts";
import type * as tf from "../../engine/tf.ts";
import { type HostArray, int32 } from "../../engine/tree.ts";
import { accuracyOf } from "../../metrics/answers.ts";
import { accuracyFigure, type MeasuredFigure, percent } from "../../metrics/measured_figure.ts";
import { constants } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { weightsHash } from "../../training/checkpoint/weights_identity.ts";
import type { MaskedConfig, SamplingConfig } from "../settings.ts";
import type { MaskedModel } from "./checkpoint.ts";
import { maskedLogits } from "./network.ts";
import { flatten, type MaskedExample, type MaskedTask, maskTargets } from "./task.ts";

/** Examples whose every step is written. */
const TRAJECTORIES = 4;

/** Numbers of steps that are compared with those of the settings. */
const FEW_STEPS = [20, 5, 1] as const;

export interface MaskedSampleTask {
  readonly device: Device;
  readonly task: MaskedTask;
  readonly model: MaskedModel;
  readonly examples: readonly MaskedExample[];
  readonly source: string; // where the examples come from, for protocols
  readonly sampling: SamplingConfig;
  readonly masked: Pick<MaskedConfig, "unmaskingOrder">;
  readonly seed: number;
  readonly folder: string; // is created
  readonly compares: boolean; // whether fewer steps are measured as well
  readonly log: (line: string) => void;
}

/** An example and its answer, as texts. */
export interface MaskedAnswer {
  readonly prompt: string;
  readonly text: string;
  readonly reference: string;
  readonly right: boolean;
}

/** Answers with a number of steps, and what was measured. */
export interface MaskedScore {
  readonly steps: number;
  readonly examples: number; // share that is right
  readonly tokens: number; // share of the targets that is right
}

export interface MaskedSamples {
  readonly answers: readonly MaskedAnswer[];
  /** The first examples after each step. */
  readonly trajectories: readonly (readonly string[])[];
  readonly scores: readonly MaskedScore[];
  readonly figures: readonly MeasuredFigure[];
}

/** Answers examples, unless the folder holds the result of the same settings. */
export async function answerOnce(given: MaskedSampleTask): Promise<MaskedSamples> {
  const { folder, model, examples, sampling, masked, seed, compares, task, log } = given;
  const { sampleSteps, decodingTemperature, sampleBatchSize, trajectory } = sampling;
  const { unmaskingOrder } = masked;
  const from = {
    sampling: { sampleSteps, decodingTemperature, sampleBatchSize, trajectory, unmaskingOrder },
    seed,
    compares,
    weights: weightsHash(model.parameters),
    examples: await sha256(new TextEncoder().encode(
      examples.map((example) =>
        `${task.write(maskTargets(example, task))} ${task.write(example.tokens)}`
      ).join("\n"),
    )),
  };
  return await cachedResult(folder, from, "sample: the same answers are", {
    make: () => answerAll(given),
    log,
  });
}

async function answerAll(given: MaskedSampleTask): Promise<MaskedSamples> {
  const { device, model, task, examples, sampling, compares, folder } = given;
  const { config, parameters } = model;
  const compiled = device.compile<{ ids: HostArray }, { logits: HostArray }>(({ ids }) => ({
    logits: maskedLogits(constants(parameters), ids as tf.Tensor2D, config),
  }));
  const denoise: TokenDenoiser = async (ids) => {
    const { logits } = await compiled({ ids: int32(ids, [ids.length / task.length, task.length]) });
    return logits.data as Float32Array;
  };
  const { sampleSteps } = sampling;
  const started = performance.now();
  const { answers, trajectories } = await solve(denoise, given, sampleSteps);
  const seconds = (performance.now() - started) / 1000;
  const scores = [scoreOf(examples, answers, sampleSteps, task)];
  for (const steps of compares ? FEW_STEPS.filter((steps) => steps < sampleSteps) : []) {
    scores.push(scoreOf(examples, (await solve(denoise, given, steps)).answers, steps, task));
  }
  await compiled.dispose();
  const results = examples.map((example, i): MaskedAnswer => ({
    prompt: task.write(maskTargets(example, task)),
    text: task.write(answers[i]!),
    reference: task.write(example.tokens),
    right: task.isRight(example, answers[i]!),
  }));
  const lines = results.map((result) => JSON.stringify(result) + "\n");
  await writeFileAtomic(`${folder}/samples.jsonl`, lines.join(""));
  if (sampling.trajectory) {
    const lines = trajectories.flatMap((steps, sample) =>
      steps.map((text, step) => JSON.stringify({ sample, step, text }) + "\n")
    );
    await writeFileAtomic(`${folder}/trajectory.jsonl`, lines.join(""));
  }
  return {
    answers: results,
    trajectories,
    scores,
    figures: figuresOf(given, results, scores, seconds),
  };
}

/** The answers with a number of steps, and the steps of the first examples. */
async function solve(
  denoise: TokenDenoiser,
  { task, examples, sampling, masked, seed }: MaskedSampleTask,
  steps: number,
): Promise<{ answers: number[][]; trajectories: string[][] }> {
  const { length, maskId } = task;
  const answers: number[][] = [];
  const trajectories: string[][] = [];
  await using progress = new Progress({
    total: examples.length,
    label: "answering",
    unit: task.unit,
  });
  for (let first = 0; first < examples.length; first += sampling.sampleBatchSize) {
    const batch = examples.slice(first, first + sampling.sampleBatchSize);
    let tokens = flatten(batch, (example) => maskTargets(example, task));
    const rowOf = (i: number) => Array.from(tokens.subarray(i * length, (i + 1) * length));
    const states = unmask(denoise, tokens, {
      maskId,
      length,
      first,
      random: randomStream(seed).stream("sampling"),
      steps,
      order: masked.unmaskingOrder,
      temperature: sampling.decodingTemperature,
    });
    for await (const step of states) {
      tokens = step.tokens;
      if (first > 0) continue;
      batch.slice(0, TRAJECTORIES).forEach((_, i) =>
        (trajectories[i] ??= []).push(task.write(rowOf(i)))
      );
    }
    answers.push(...batch.map((_, i) => rowOf(i)));
    progress.update(answers.length);
  }
  return { answers, trajectories };
}

function scoreOf(
  examples: readonly MaskedExample[],
  answers: readonly (readonly number[])[],
  steps: number,
  task: MaskedTask,
): MaskedScore {
  let [right, targets, rightTargets] = [0, 0, 0];
  examples.forEach((example, i) => {
    if (task.isRight(example, answers[i]!)) right++;
    Array.from(example.targets).forEach((target, position) => {
      targets += target;
      if (target === 1 && answers[i]![position] === example.tokens[position]) rightTargets++;
    });
  });
  return { steps, examples: right / examples.length, tokens: rightTargets / targets };
}

function figuresOf(
  { task, examples, source, sampling, masked, device }: MaskedSampleTask,
  answers: readonly MaskedAnswer[],
  scores: readonly MaskedScore[],
  seconds: number,
): MeasuredFigure[] {
  const { sampleSteps, decodingTemperature } = sampling;
  const protocol = `${examples.length} ${task.unit}, ${source}, order ` +
    `${masked.unmaskingOrder}, at most ${sampleSteps} steps, temperature ${decodingTemperature}, ` +
    "averaged weights";
  const perSecond = examples.length / seconds;
  const { tokens } = scores[0]!;
  return [
    accuracyFigure(
      `Share of ${task.unit} entirely right`,
      accuracyOf(answers.map(({ right }) => right)),
      protocol,
    ),
    { name: "Share of masked tokens right", value: percent(tokens), measured: tokens, protocol },
    ...scores.slice(1).map(({ steps, examples: share }) => ({
      name: `Share of ${task.unit} entirely right, ${steps} ${steps === 1 ? "step" : "steps"}`,
      value: percent(share),
      measured: share,
      protocol: protocol.replace(`at most ${sampleSteps}`, `at most ${steps}`),
    })),
    {
      name: "Speed",
      value: `${perSecond.toFixed(1)} ${task.unit}/s`,
      measured: perSecond,
      protocol: `batches of ${sampling.sampleBatchSize}, ${device.threads} threads, all steps`,
    },
  ];
}
