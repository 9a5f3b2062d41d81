/** The data of text.ts: texts for the autoencoder, examples for the denoiser. */
import { usageError, type UserError } from "../base/errors.ts";
import type { Provenance } from "../datasets/sources.ts";
import type { DenoiserConfig } from "./settings.ts";

/** An example that a denoiser is trained with. */
export interface LatentExample {
  /** Texts, each of which becomes a block of latents: one text, or a problem's thoughts. */
  readonly targets: readonly string[];
  /** The text that the targets are generated from, if any. */
  readonly source?: string;
  /** The class that the targets are generated from, if any. */
  readonly label?: number;
  /** A problem's right answer. */
  readonly answer?: string;
  /** The options of a multiple-choice problem: each name, and the target that it leads to. */
  readonly options?: readonly { readonly name: string; readonly target: string }[];
  /** The index of the right option. */
  readonly right?: number;
  /** The test set of the example, where there are several. */
  readonly set?: string;
}

/** The examples of a data set. */
export interface LatentExamples {
  /** To train on. */
  readonly train: readonly LatentExample[];
  /** For the validation loss. */
  readonly validation: readonly LatentExample[];
  /** For the evaluation; the validation examples where there are no others. */
  readonly test: readonly LatentExample[];
  /** Classes of a class condition; null without. */
  readonly classes: number | null;
}

/** The source of the data. */
export interface DataSource extends Pick<Provenance, "sha256" | "description"> {
  /** The kind of source; "sample" is the bundled sample. */
  readonly origin: Provenance["origin"] | "generated";
}

/** A data set, loaded. */
export interface TextData extends DataSource {
  /** Number of rows. */
  readonly rows: number;
  /** Texts to train the autoencoder on. */
  readonly train: readonly string[];
  /** Held-out texts for the autoencoder. */
  readonly validation: readonly string[];
  /** Further texts for the tokenizer: the denoiser's conditions. */
  readonly conditions: readonly string[];
  /**
   * The examples of the denoiser.
   *
   * @throws {UserError} If the data set has no such condition.
   */
  examples(config: Pick<DenoiserConfig, "condition" | "maxThoughts">): LatentExamples;
}

/** The error of a condition that a data set does not have. */
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
