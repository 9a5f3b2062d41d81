/** What the ways of sampling of text.ts have in common: the task, what comes out, and every step as text. */
import type { Device } from "../../engine/device.ts";
import { writeFileAtomic } from "../../base/files.ts";
import type { HostArray } from "../../engine/tree.ts";
import type { RandomStream } from "../../nn/random.ts";
import type { LatentExample, TextData } from "../data.ts";
import type { LatentBatches } from "../denoiser/batches.ts";
import type { TextDenoiserModel } from "../denoiser/checkpoint.ts";
import type { TextDiffusionConfig, TextSamplingConfig } from "../denoiser_flags.ts";
import type { LoadedTextVae } from "../autoencoder/checkpoint.ts";
import type { MeasuredFigure } from "../../metrics/measured_figure.ts";
import type { LatentSampler, SayingOptions } from "./latents.ts";

/** Samples whose every step is decoded. */
export const TRAJECTORIES = 4;

/** What is sampled. */
export interface TextSampleTask {
  /** Where tensors are computed. */
  readonly device: Device;
  /** The autoencoder. */
  readonly vae: LoadedTextVae;
  /** The denoiser. */
  readonly model: TextDenoiserModel;
  /** The data set, and its name. */
  readonly data: TextData;
  /** The data set's name, which says how answers are written. */
  readonly dataset: string;
  /** What the denoiser was trained for. */
  readonly config: TextDiffusionConfig;
  /** How it is sampled. */
  readonly sampling: TextSamplingConfig;
  /** Everything random. */
  readonly random: RandomStream;
  /** The folder that files are written to; it is made. */
  readonly folder: string;
  /** Milliseconds from some moment on. */
  readonly now: () => number;
}

/** A text that was drawn. */
export interface SampledText {
  /** What it was made from, if anything. */
  readonly prompt?: string;
  /** The text; of several candidates, the first. */
  readonly text: string;
  /** The class that it was made from, if any. */
  readonly label?: number;
  /** All that was drawn from the same source, where that is more than one text. */
  readonly candidates?: readonly string[];
  /** What was to come out, where that is known. */
  readonly reference?: string;
  /** Whether a problem was answered rightly. */
  readonly right?: boolean;
  /** What a problem offered to choose from, and the denoising loss of each. */
  readonly options?: readonly string[];
  /** See options. */
  readonly losses?: readonly number[];
}

/** What came out. */
export interface TextSamples {
  /** The texts. */
  readonly texts: readonly SampledText[];
  /** Figures, if any were measured. */
  readonly figures: readonly MeasuredFigure[];
}

/** What is sampled, and the parts that all kinds of sampling share. */
export interface SampleSession extends TextSampleTask {
  /** The denoiser, compiled. */
  readonly sampler: LatentSampler;
  /** Lays conditions out. */
  readonly batches: LatentBatches;
  /** Encodes texts, normalised: [N, k, d]. */
  readonly encode: (texts: readonly string[]) => Promise<HostArray>;
  /** Says normalised latents [B, blocks * k, d], block by block; the likeliest tokens by default. */
  readonly say: (
    latents: HostArray,
    request?: Omit<SayingOptions, "temperature">,
  ) => Promise<string[][]>;
  /** The latents of no text [k, d], flat. */
  readonly empty: Float32Array;
  /** What texts are made from. */
  readonly examples: readonly LatentExample[];
}

/** Writes every denoising step of some samples down, as text. */
export class TrajectoryLog {
  readonly #steps: { numbers: readonly number[]; pass: number; step: number; timestep: number }[] =
    [];
  readonly #predicted: HostArray[] = [];
  #pass = 0;

  /** What a drawing is to tell its steps. @param numbers The samples'. */
  listener(numbers: readonly number[]): (predicted: HostArray, timestep: number) => void {
    const pass = ++this.#pass;
    let step = 0;
    return (predicted, timestep) => {
      this.#steps.push({ numbers, pass, step: ++step, timestep });
      this.#predicted.push(predicted);
    };
  }

  /** Says the steps, a line of `trajectory.jsonl` for each and for each sample. */
  async write(folder: string, say: SampleSession["say"]): Promise<void> {
    const lines: string[] = [];
    for (const [i, { numbers, ...at }] of this.#steps.entries()) {
      const said = await say(this.#predicted[i]!);
      numbers.forEach((sample, row) => {
        const text = said[row]!.filter((block) => block !== "").join(" ");
        lines.push(JSON.stringify({ sample, ...at, text }) + "\n");
      });
    }
    await writeFileAtomic(`${folder}/trajectory.jsonl`, lines.join(""));
  }
}
