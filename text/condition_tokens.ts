/** The tokens of conditions for a denoiser's encoder. */
import { CONDITION } from "./denoiser/network.ts";
import { UserError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import { type HostArray, int32 } from "../engine/tree.ts";
import type { TextTokenizer } from "../vae/tokenizer/tokenizer.ts";
import { encoderTokens } from "../vae/text_vae_config.ts";
import type { LatentExample } from "./examples.ts";
import { isMultiPass, nextThought } from "./denoiser/layouts.ts";
import type { DenoiserConfig } from "./settings.ts";
import type { LoadedTextVae } from "./autoencoder/checkpoint.ts";

/**
 * Conditions are padded to multiples of 16, above 64 tokens to multiples of 64, so that few shapes are
 * compiled: each needs a graph with memory of its own.
 */
const PADDING = [16, 64] as const;

/** The length that texts of at most `longest` tokens are padded to. */
export function paddedLength(longest: number): number {
  const [fine, coarse] = PADDING;
  const step = longest <= coarse ? fine : coarse;
  return Math.ceil(longest / step) * step;
}

/** Turns the texts of conditions into tokens. */
export class ConditionTokens {
  readonly #known = new Map<string, Int32Array>();
  readonly #tokenizer: TextTokenizer;
  readonly #limit: number;
  readonly #whole: string | undefined;

  /**
   * @param limit The maximum number of tokens, without [CLS] and [SEP].
   * @param whole The name of the texts, such as "question", if longer ones are an error; otherwise they are
   * cut.
   */
  constructor(tokenizer: TextTokenizer, limit: number, whole?: string) {
    this.#tokenizer = tokenizer;
    this.#limit = limit;
    this.#whole = whole;
  }

  /** The same, but longer texts are cut: for thoughts that a model generated. */
  cutting(): ConditionTokens {
    return new ConditionTokens(this.#tokenizer, this.#limit);
  }

  /** The tokens [CLS], text, [SEP]. @throws {UserError} If a text that must not be cut is too long. */
  encode(text: string): Int32Array {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const tokenizer = this.#tokenizer;
    const ids = tokenizer.encode(text, { splitSpecialTokens: true });
    if (ids.length > this.#limit && this.#whole !== undefined) {
      throw new UserError(
        `the ${this.#whole} ${quote(text, 60)} has ${ids.length} tokens, and the model reads ` +
          `${this.#limit}: raise --condition-tokens, with --condition-reader new`,
      );
    }
    const kept = ids.subarray(0, this.#limit);
    const whole = Int32Array.of(tokenizer.id("cls"), ...kept, tokenizer.id("sep"));
    this.#known.set(text, whole);
    return whole;
  }

  /** The tokens of several texts, padded. @returns `sourceIds` and `sourceMask` [B, M]. */
  batch(texts: readonly string[]): Record<string, HostArray> {
    const rows = texts.map((text) => this.encode(text));
    const longest = Math.max(...rows.map(({ length }) => length));
    const length = Math.min(paddedLength(longest), this.#limit + 2);
    const ids = new Int32Array(rows.length * length).fill(this.#tokenizer.id("pad"));
    const mask = new Int32Array(rows.length * length);
    rows.forEach((row, i) => {
      ids.set(row, i * length);
      mask.fill(1, i * length, i * length + row.length);
    });
    const shape = [rows.length, length];
    return { [CONDITION.ids]: int32(ids, shape), [CONDITION.mask]: int32(mask, shape) };
  }
}

/**
 * Refuses questions, with their thoughts, and sentences that are too long. A review may be cut; half of a
 * question asks something else.
 */
export function checkConditionLengths(
  examples: readonly Pick<LatentExample, "source" | "targets">[],
  { config, vae, tokens }: {
    readonly config: Pick<DenoiserConfig, "condition" | "conditionReader" | "thoughtPasses">;
    readonly vae: Pick<LoadedTextVae, "config" | "encoderTokenizer">;
    readonly tokens: ConditionTokens | undefined;
  },
): void {
  const { condition, conditionReader } = config;
  if (condition !== "question" && condition !== "sentence") return;
  const isLatent = conditionReader === "latents";
  const reader = isLatent
    ? new ConditionTokens(vae.encoderTokenizer, encoderTokens(vae.config), condition)
    : tokens;
  const joins = isMultiPass(config) && !isLatent;
  for (const { source = "", targets } of examples) {
    reader?.encode(joins ? nextThought(source, targets.slice(0, -1)).sources.join(" ") : source);
  }
}
