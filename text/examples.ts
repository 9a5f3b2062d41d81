/** The data of text.ts: texts for the autoencoder, examples for the denoiser. */
import { usageError, type UserError } from "../base/errors.ts";
import type { Provenance } from "../datasets/sources.ts";
import type { DenoiserConfig } from "./settings.ts";

/** An example that a denoiser is trained with. */
export interface LatentExample {
  /** Texts, each of which becomes a block of latents: one text, or a problem's thoughts. */
  readonly targets: readonly string[];
  readonly source?: string; // text that the targets are generated from, if any
  readonly label?: number; // class that the targets are generated from, if any
  readonly answer?: string;
  /** The options of a multiple-choice problem: each name, and the target that it leads to. */
  readonly options?: readonly { readonly name: string; readonly target: string }[];
  readonly right?: number;
  readonly set?: string;
}

export interface LatentExamples {
  readonly train: readonly LatentExample[];
  readonly validation: readonly LatentExample[]; // for the validation loss
  /** For the evaluation; the validation examples where there are no others. */
  readonly test: readonly LatentExample[];
  readonly classes: readonly string[] | null; // their names; null without a class condition
}

export interface DataSource extends Pick<Provenance, "sha256" | "description"> {
  /** The kind of source; "sample" is the bundled sample, "file" the user's. */
  readonly origin: Provenance["origin"] | "generated" | "file";
}

export interface TextData extends DataSource {
  readonly rows: number;
  /** The labels of texts, for the run's record. */
  readonly labels?: readonly string[] | undefined;
  readonly train: readonly string[]; // texts to train the autoencoder on
  readonly validation: readonly string[]; // held-out texts for the autoencoder
  /** Further texts for the tokenizer: the denoiser's conditions. */
  readonly conditions: readonly string[];
  /**
   * The examples of the denoiser.
   *
   * @throws {UserError} If the data set has no such condition.
   */
  examples(config: Pick<DenoiserConfig, "condition" | "maxThoughts">): LatentExamples;
}

/** Whether a condition is a text, not a class or nothing. */
export function isTextCondition(condition: DenoiserConfig["condition"]): boolean {
  return condition !== "none" && condition !== "rating" && condition !== "label";
}

export function noSuchCondition(
  dataset: string,
  condition: string,
  conditions: readonly string[],
): UserError {
  return usageError(
    `--condition ${condition} is not for --dataset ${dataset}: use one of ${
      conditions.join(", ")
    }.`,
  );
}
