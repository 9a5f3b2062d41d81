/** The training batches of a denoiser of text latents: blocks of latents, conditions, noise. */
import { batcher } from "../../datasets/batches.ts";
import { rolloutCondition } from "./losses.ts";
import type { TimedBatch } from "../../diffusion/objective.ts";
import type { NoiseSchedule } from "../../diffusion/schedules.ts";
import { CONDITION } from "./network.ts";
import type { TimestepDraw } from "../../diffusion/timestep_sampling.ts";
import { quote } from "../../base/quote.ts";
import { float32, type HostArray, int32 } from "../../engine/tree.ts";
import { type RandomStream, randomStream } from "../../nn/random.ts";
import type { ConditionTokens } from "../condition_tokens.ts";
import { lossWeightsOf } from "../../diffusion/loss.ts";
import { noisedBatch, type NoisedBatchOptions } from "../../training/noised_batch.ts";
import type { LatentExample } from "../examples.ts";
import {
  blockCount,
  isMultiPass,
  type Layout,
  nextThought,
  sourceCount,
  wholeExample,
} from "./layouts.ts";
import type { DenoiserConfig } from "../settings.ts";
import type { TextLatents } from "./latents.ts";

export interface LatentBatchSource {
  readonly config: DenoiserConfig;
  readonly schedule: NoiseSchedule; // noise schedule; a flow uses only its T
  readonly latents: TextLatents; // of all texts
  readonly classes: number | null; // null without a class condition
  /** Tokens of conditions; undefined if conditions are latents or have no text. */
  readonly tokens: ConditionTokens | undefined;
}

/** Builds the arrays of blocks and conditions. */
export class LatentBatches {
  readonly #source: LatentBatchSource;
  readonly #rowOf: Map<string, number>;

  constructor(source: LatentBatchSource) {
    this.#source = source;
    this.#rowOf = new Map(source.latents.texts.map((text, row) => [text, row]));
  }

  hasLatentsOf(texts: readonly string[]): boolean {
    return texts.every((text) => this.#rowOf.has(text));
  }

  withLatents(latents: TextLatents): LatentBatches {
    return new LatentBatches({ ...this.#source, latents });
  }

  /** The latents of texts [B][blocks], block after block. @returns [B, blocks * k, d] */
  #blocks(texts: readonly (readonly string[])[]): HostArray {
    const { latents } = this.#source.latents;
    const [, count, width] = latents.shape as [number, number, number];
    const size = count * width;
    const blocks = texts[0]!.length;
    const data = new Float32Array(texts.length * blocks * size);
    texts.flat().forEach((text, i) => {
      const row = this.#rowOf.get(text);
      if (row === undefined) throw new RangeError(`${quote(text, 60)} has no latents`);
      data.set(latents.data.subarray(row * size, (row + 1) * size), i * size);
    });
    return float32(data, [texts.length, blocks * count, width]);
  }

  /** The clean latents of a batch, and its condition. */
  #clean(layouts: readonly Layout[], labels: readonly (number | undefined)[]) {
    const { tokens, classes, config, latents } = this.#source;
    const x0 = this.#blocks(layouts.map(({ blocks }) => blocks));
    const hasSource = layouts[0]!.sources.length > 0;
    const count = sourceCount(config);
    const perBlock = latents.latents.shape[1]!;
    const given = layouts.flatMap(({ blocks, given }) =>
      blocks.flatMap((_, block) => Array<number>(perBlock).fill(block < given ? 1 : 0))
    );
    const condition: Record<string, HostArray> = {
      ...tokens?.batch(layouts.map(({ sources }) => sources.join(" "))),
      ...(config.conditionReader === "latents" && hasSource
        ? {
          [CONDITION.latents]: this.#blocks(
            layouts.map(({ sources }) => Array.from({ length: count }, (_, i) => sources[i] ?? "")),
          ),
        }
        : {}),
      ...(classes === null ? {} : {
        [CONDITION.classLabels]: int32(labels.map((label) => label ?? classes)),
      }),
      ...(isMultiPass(config)
        ? { [CONDITION.given]: float32(given, [layouts.length, x0.shape[1]!, 1]) }
        : {}),
    };
    return { x0, condition };
  }

  /** Drops some of the conditions, for guidance. */
  #drop(condition: Record<string, HostArray>, count: number, random: RandomStream): void {
    const { classes, config: { conditionDropout } } = this.#source;
    if (conditionDropout === 0) return;
    const values = random.uniform(count);
    const labels = condition[CONDITION.classLabels];
    if (labels !== undefined) {
      condition[CONDITION.classLabels] = int32(
        Int32Array.from(
          labels.data,
          (label, i) => values[i]! < conditionDropout ? classes! : label,
        ),
      );
    }
    if (condition[CONDITION.ids] !== undefined || condition[CONDITION.latents] !== undefined) {
      condition[CONDITION.drop] = float32(
        Float32Array.from(values, (value) => value < conditionDropout ? 1 : 0),
      );
    }
  }

  #layout(example: LatentExample, cut: number, coupled: boolean): Layout {
    const { config } = this.#source;
    if (!isMultiPass(config)) return wholeExample(example, blockCount(config));
    const { source = "", targets } = example;
    const layout = nextThought(source, targets.slice(0, cut), targets[cut]!);
    return coupled && cut > 0 ? { ...layout, given: 0 } : layout;
  }

  /** The training batches, a pure function of the step. */
  training(
    examples: readonly LatentExample[],
    random: RandomStream,
  ): (step: number) => TimedBatch {
    const { config, schedule, tokens } = this.#source;
    // Without random cuts, every thought of every problem is a separate example.
    const visits = isMultiPass(config) && !config.randomCut
      ? examples.flatMap((example) => example.targets.map((_, cut) => ({ example, cut })))
      : examples.map((example) => ({ example, cut: undefined }));
    const indicesAt = batcher({
      size: visits.length,
      batchSize: config.batchSize,
      random: random.stream("data order"),
      // A batch is padded to its longest question.
      lengthOf: tokens && ((i) => tokens.encode(visits[i]!.example.source ?? "").length),
    });
    const draws = random.stream("diffusion training");
    const options = this.#noiseOptions(config.selfConditioning);
    return (step) => {
      const stream = draws.at(step);
      const cuts = stream.stream("cut");
      const coupling = stream.stream("coupled sampling");
      const visited = Array.from(indicesAt(step), (i) => visits[i]!);
      const layouts = visited.map(({ example, cut }) =>
        this.#layout(
          example,
          cut ?? Math.floor(cuts.next() * example.targets.length),
          coupling.next() < config.coupledSampling,
        )
      );
      const clean = this.#clean(layouts, visited.map(({ example }) => example.label));
      this.#drop(clean.condition, visited.length, stream.stream("condition dropout"));
      const rolled = stream.stream("scheduled sampling");
      const share = config.scheduledSampling * step / config.steps;
      const rolls = rolled.next() < share;
      return noisedBatch(clean.x0, stream, options, (timesteps) => ({
        ...clean.condition,
        ...(rolls && timesteps !== undefined
          ? rolloutCondition(schedule, timesteps, clean.x0.shape, rolled)
          : {}),
      }));
    };
  }

  /**
   * The batches of the validation loss: the same noise, time steps and cuts in every run; without loss
   * weights, dropped conditions and self-conditioning.
   */
  validation(examples: readonly LatentExample[]): TimedBatch[] {
    const count = Math.min(this.#source.config.validationSize, examples.length);
    return this.measuring(examples.slice(0, count), randomStream(0).stream("validation"));
  }

  /**
   * Batches of all examples, to measure the loss: without loss weights, dropped conditions and
   * self-conditioning.
   *
   * @param random The stream of noise, time steps and cuts. They do not depend on the texts.
   * @param options.draw The sampling of time steps (always uniform for a flow).
   * @param options.batchSize Examples per batch. @default that of training
   */
  measuring(
    examples: readonly LatentExample[],
    random: RandomStream,
    { draw, batchSize = this.#source.config.batchSize }: {
      readonly draw?: TimestepDraw;
      readonly batchSize?: number;
    } = {},
  ): TimedBatch[] {
    const { flow, ...noise } = this.#noiseOptions(0);
    const options: NoisedBatchOptions = {
      ...noise,
      weights: undefined,
      draw,
      flow: flow && { density: "uniform" },
    };
    return Array.from({ length: Math.ceil(examples.length / batchSize) }, (_, i) => {
      const part = examples.slice(i * batchSize, (i + 1) * batchSize);
      const stream = random.at(i);
      const cuts = stream.stream("cut").uniform(part.length);
      const layouts = part.map((example, j) =>
        this.#layout(example, Math.floor(cuts[j]! * example.targets.length), false)
      );
      const { x0, condition } = this.#clean(layouts, part.map(({ label }) => label));
      return noisedBatch(x0, stream, options, () => condition);
    });
  }

  #noiseOptions(selfConditioning: number): NoisedBatchOptions {
    const { config, schedule } = this.#source;
    const flow = config.objective === "flow_matching";
    return {
      schedule,
      selfConditioning,
      draw: config.timestepSampling,
      weights: flow ? undefined : lossWeightsOf(config, schedule),
      flow: flow ? { density: "logit_normal" } : undefined,
    };
  }

  /**
   * The condition of texts that are to be sampled, by name.
   *
   * @param labels The classes of a class condition.
   */
  conditionOf(
    layouts: readonly Layout[],
    labels: readonly (number | undefined)[],
  ): Record<string, HostArray> {
    const unknown = layouts.map((layout) => ({ ...layout, blocks: layout.blocks.map(() => "") }));
    const { [CONDITION.given]: _, ...condition } = this.#clean(unknown, labels).condition;
    return condition;
  }
}
