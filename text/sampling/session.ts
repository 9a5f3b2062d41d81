/** What all kinds of sampling of text.ts have in common: the task, the results, and trajectories. */
import { writeFileAtomic } from "../../base/files.ts";
import type { Device } from "../../engine/device.ts";
import type { HostArray } from "../../engine/tree.ts";
import type { MeasuredFigure } from "../../metrics/measured_figure.ts";
import type { RandomStream } from "../../nn/random.ts";
import type { OpenedTextVae } from "../autoencoder/checkpoint.ts";
import type { LatentBatches } from "../denoiser/batches.ts";
import type { TextDenoiserModel } from "../denoiser/checkpoint.ts";
import type { LatentExample, TextData } from "../examples.ts";
import type { DenoiserConfig, SamplingConfig } from "../settings.ts";
import type { LatentSampler, TextDecoding } from "./latents.ts";

/** Samples whose every step is decoded. */
export const TRAJECTORIES = 4;

/** The models, data and settings of sampling. */
export interface TextSampleTask {
  readonly device: Device;
  readonly vae: OpenedTextVae;
  readonly model: TextDenoiserModel;
  readonly data: TextData;
  readonly dataset: string; // data set's name, which decides how answers are written
  readonly config: DenoiserConfig; // settings that the denoiser was trained with
  readonly sampling: SamplingConfig;
  readonly random: RandomStream;
  readonly folder: string; // is created
  readonly now: () => number; // milliseconds since some moment
  readonly log: (line: string) => void;
}

export interface SampledText {
  readonly prompt?: string; // what it was generated from, if anything
  readonly text: string; // the first, if there are several candidates
  readonly label?: number; // class that it was generated from, if any
  /** All texts that were generated from the same source, if there are several. */
  readonly candidates?: readonly string[];
  readonly reference?: string; // true text, if known
  readonly right?: boolean; // whether a problem was answered correctly
  /** The options of a problem, whose denoising losses are in `losses`. */
  readonly options?: readonly string[];
  readonly losses?: readonly number[];
}

export interface TextSamples {
  readonly texts: readonly SampledText[];
  readonly figures: readonly MeasuredFigure[];
}

/** A task with the compiled models, which all kinds of sampling use. */
export interface SampleSession extends TextSampleTask {
  readonly sampler: LatentSampler;
  readonly batches: LatentBatches;
  /** Encodes texts into normalized latents [N, k, d]. */
  readonly encode: (texts: readonly string[]) => Promise<HostArray>;
  /** Decodes normalized latents [B, blocks * k, d], block by block; greedily by default. */
  readonly decode: (
    latents: HostArray,
    request?: Omit<TextDecoding, "temperature">,
  ) => Promise<string[][]>;
  readonly empty: Float32Array; // latents of an empty text [k, d], flat
  readonly examples: readonly LatentExample[]; // whose conditions texts are generated from
}

/** Records the predicted clean latents of every step of some samples, and writes them as texts. */
export class TrajectoryLog {
  readonly #steps: { numbers: readonly number[]; pass: number; step: number; timestep: number }[] =
    [];
  readonly #predicted: HostArray[] = [];
  #pass = 0;

  /** A function that records the steps of one pass. @param numbers The numbers of the samples. */
  listener(numbers: readonly number[]): (predicted: HostArray, timestep: number) => void {
    const pass = ++this.#pass;
    let step = 0;
    return (predicted, timestep) => {
      this.#steps.push({ numbers, pass, step: ++step, timestep });
      this.#predicted.push(predicted);
    };
  }

  /** Decodes the steps and writes `trajectory.jsonl`, a line per step and sample. */
  async write(folder: string, decode: SampleSession["decode"]): Promise<void> {
    const lines: string[] = [];
    for (const [i, { numbers, ...at }] of this.#steps.entries()) {
      const decoded = await decode(this.#predicted[i]!);
      numbers.forEach((sample, row) => {
        const text = decoded[row]!.filter((block) => block !== "").join(" ");
        lines.push(JSON.stringify({ sample, ...at, text }) + "\n");
      });
    }
    await writeFileAtomic(`${folder}/trajectory.jsonl`, lines.join(""));
  }
}
