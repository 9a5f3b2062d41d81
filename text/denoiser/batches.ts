/** The batches that a denoiser of text latents is trained on: blocks of latents, conditions, noise. */
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
import { noisedBatch, type NoisySampleOptions } from "../../training/noised_batch.ts";
import type { LatentExample } from "../data.ts";
import type { TextDiffusionConfig } from "../denoiser_flags.ts";
import type { TextLatents } from "./latents.ts";

/** How a problem is laid out: what is denoised, and what is known. */
export interface Layout {
  /** The texts of the blocks, in order; an empty one where there is none. */
  readonly blocks: readonly string[];
  /** How many of them, at the start, are given. */
  readonly given: number;
  /** What the condition says, part by part: a question and the thoughts before the blocks. */
  readonly sources: readonly string[];
}

/** How many blocks there are: all thoughts, or in multiple passes the last one and the next. */
export function blockCount(
  { condition, thoughtPasses, maxThoughts }: TextDiffusionConfig,
): number {
  return condition !== "question" ? 1 : thoughtPasses === "multi" ? 2 : maxThoughts;
}

/** How many texts a condition of latents is of, at most: the question, and thoughts before the blocks. */
export function sourceCount(
  { condition, thoughtPasses, maxThoughts }: TextDiffusionConfig,
): number {
  return condition === "question" && thoughtPasses === "multi" ? Math.max(1, maxThoughts - 1) : 1;
}

/**
 * The next thought, in multiple passes: the one before it is a block that is given, and what is before
 * that one is part of the condition.
 *
 * @param thoughts The thoughts so far.
 * @param next The thought to make; empty where it is not known.
 */
export function nextThought(
  question: string,
  thoughts: readonly string[],
  next = "",
): Layout {
  return {
    blocks: [thoughts.at(-1) ?? "", next],
    given: 1,
    sources: [question, ...thoughts.slice(0, -1)],
  };
}

/** All of an example at once. */
export function wholeExample({ targets, source }: LatentExample, blocks: number): Layout {
  return {
    blocks: Array.from({ length: blocks }, (_, i) => targets[i] ?? ""),
    given: 0,
    sources: source === undefined ? [] : [source],
  };
}

/** All texts that become latents, each once: those of the blocks, and of conditions that are latents. */
export function latentTexts(
  examples: readonly (readonly LatentExample[])[],
  { conditionReader }: Pick<TextDiffusionConfig, "conditionReader">,
): string[] {
  const all = examples.flat();
  const texts = new Set(["", ...all.flatMap(({ targets }) => targets)]);
  if (conditionReader === "latents") {
    for (const { source } of all) if (source !== undefined) texts.add(source);
  }
  return [...texts];
}

/** What batches are made of. */
export interface LatentBatchSource {
  /** The settings. */
  readonly config: TextDiffusionConfig;
  /** The noise schedule; of a flow, only its T counts. */
  readonly schedule: NoiseSchedule;
  /** Latents of all texts. */
  readonly latents: TextLatents;
  /** Classes of a class condition; null without. */
  readonly classes: number | null;
  /** Reads conditions; undefined where there are none, or latents. */
  readonly tokens: ConditionTokens | undefined;
}

/** Copies blocks and conditions of layouts into arrays. */
export class LatentBatches {
  readonly #source: LatentBatchSource;
  readonly #rowOf: Map<string, number>;

  /** Batches of a data set's latents. */
  constructor(source: LatentBatchSource) {
    this.#source = source;
    this.#rowOf = new Map(source.latents.texts.map((text, row) => [text, row]));
  }

  /** Whether there are latents of all of some texts. */
  knows(texts: readonly string[]): boolean {
    return texts.every((text) => this.#rowOf.has(text));
  }

  /** The same of other texts' latents. */
  knowing(latents: TextLatents): LatentBatches {
    return new LatentBatches({ ...this.#source, latents });
  }

  /** The latents of texts, block after block. @returns [B, blocks * k, d] */
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

  /** A batch's clean latents, and its condition. */
  #clean(layouts: readonly Layout[], labels: readonly (number | undefined)[]) {
    const { tokens, classes, config, latents } = this.#source;
    const x0 = this.#blocks(layouts.map(({ blocks }) => blocks));
    const reads = layouts[0]!.sources.length > 0;
    const count = sourceCount(config);
    const perBlock = latents.latents.shape[1]!;
    const given = layouts.flatMap(({ blocks, given }) =>
      blocks.flatMap((_, block) => Array<number>(perBlock).fill(block < given ? 1 : 0))
    );
    const condition: Record<string, HostArray> = {
      ...tokens?.batch(layouts.map(({ sources }) => sources.join(" "))),
      ...(config.conditionReader === "latents" && reads
        ? {
          [CONDITION.latents]: this.#blocks(
            layouts.map(({ sources }) => Array.from({ length: count }, (_, i) => sources[i] ?? "")),
          ),
        }
        : {}),
      ...(classes === null ? {} : {
        [CONDITION.classLabels]: int32(labels.map((label) => label ?? classes)),
      }),
      ...(config.condition === "question" && config.thoughtPasses === "multi"
        ? { [CONDITION.given]: float32(given, [layouts.length, x0.shape[1]!, 1]) }
        : {}),
    };
    return { x0, condition };
  }

  /** Drops some of the conditions, for guidance. */
  #drop(condition: Record<string, HostArray>, count: number, random: RandomStream): void {
    const { classes, config: { conditionDropout } } = this.#source;
    if (conditionDropout === 0) return;
    const drawn = random.uniform(count);
    const labels = condition[CONDITION.classLabels];
    if (labels !== undefined) {
      condition[CONDITION.classLabels] = int32(
        Int32Array.from(labels.data, (label, i) => drawn[i]! < conditionDropout ? classes! : label),
      );
    }
    if (condition[CONDITION.ids] !== undefined || condition[CONDITION.latents] !== undefined) {
      condition[CONDITION.drop] = float32(
        Float32Array.from(drawn, (value) => value < conditionDropout ? 1 : 0),
      );
    }
  }

  /** An example as it is learned in a step. */
  #layout(example: LatentExample, cut: number, coupled: boolean): Layout {
    const { config } = this.#source;
    if (config.condition !== "question" || config.thoughtPasses === "single") {
      return wholeExample(example, blockCount(config));
    }
    const { source = "", targets } = example;
    const layout = nextThought(source, targets.slice(0, cut), targets[cut]!);
    return coupled && cut > 0 ? { ...layout, given: 0 } : layout;
  }

  /** The batches of training, a pure function of the step. */
  training(
    examples: readonly LatentExample[],
    random: RandomStream,
  ): (step: number) => TimedBatch {
    const { config, schedule, tokens } = this.#source;
    const multi = config.condition === "question" && config.thoughtPasses === "multi";
    // Without random cuts, every thought of every problem is an example of its own.
    const visits = multi && !config.randomCut
      ? examples.flatMap((example) => example.targets.map((_, cut) => ({ example, cut })))
      : examples.map((example) => ({ example, cut: undefined }));
    const indicesAt = batcher({
      size: visits.length,
      batchSize: config.diffusionBatchSize,
      random: random.stream("data order"),
      // A batch of short questions takes a fraction of the time of one with a long one among them.
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
      const share = config.scheduledSampling * step / config.diffusionSteps;
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
   * The batches of the loss on held-out examples: the same noise, time steps and cuts in every run,
   * nothing weighed or dropped, no estimates shown.
   */
  validation(examples: readonly LatentExample[]): TimedBatch[] {
    const count = Math.min(this.#source.config.diffusionValidationSize, examples.length);
    return this.measuring(examples.slice(0, count), randomStream(0).stream("validation"));
  }

  /**
   * Batches of all examples to measure the loss with, nothing weighed or dropped, no estimates shown.
   *
   * @param random What noise, time steps and cuts come from: they are the same for other examples in
   * as many rows.
   * @param options How time steps are drawn (of a flow, always uniformly), and examples a batch: as
   * many as in training by default.
   */
  measuring(
    examples: readonly LatentExample[],
    random: RandomStream,
    { draw, batchSize = this.#source.config.diffusionBatchSize }: {
      readonly draw?: TimestepDraw;
      readonly batchSize?: number;
    } = {},
  ): TimedBatch[] {
    const { flow, ...noise } = this.#noiseOptions(0);
    const options: NoisySampleOptions = {
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

  #noiseOptions(selfConditioning: number): NoisySampleOptions {
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
   * What is known of texts that are to be made.
   *
   * @returns The condition by name, and the blocks that are given [B, given * k, d].
   */
  asked(
    layouts: readonly Layout[],
    labels: readonly (number | undefined)[],
  ): Record<string, HostArray> {
    const unknown = layouts.map((layout) => ({ ...layout, blocks: layout.blocks.map(() => "") }));
    const { [CONDITION.given]: _, ...condition } = this.#clean(unknown, labels).condition;
    return condition;
  }
}
