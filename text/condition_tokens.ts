/** What a denoiser's encoder reads of a condition. */
import { CONDITION } from "./denoiser/network.ts";
import { UserError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import { type HostArray, int32 } from "../engine/tree.ts";
import type { TextTokenizer } from "../vae/tokenizer/tokenizer.ts";
import { encoderTokens } from "../vae/text_vae_config.ts";
import type { LatentExample } from "./data.ts";
import { nextThought } from "./denoiser/batches.ts";
import type { TextDiffusionConfig } from "./denoiser_flags.ts";
import type { LoadedTextVae } from "./autoencoder/checkpoint.ts";

/**
 * Conditions are padded to multiples of the first number, and beyond the second to multiples of it, so
 * that few shapes are compiled: each has its own graph, with memory of its own.
 */
const PADDING = [16, 64] as const;

/** The length that texts of `longest` tokens at most are padded to. */
export function paddedLength(longest: number): number {
  const [fine, coarse] = PADDING;
  const step = longest <= coarse ? fine : coarse;
  return Math.ceil(longest / step) * step;
}

/** Reads conditions as the denoiser's encoder takes them. */
export class ConditionTokens {
  readonly #known = new Map<string, Int32Array>();
  readonly #tokenizer: TextTokenizer;
  readonly #limit: number;
  readonly #whole: string | undefined;

  /**
   * @param limit Tokens at most, [CLS] and [SEP] not counted.
   * @param whole What the texts are called, such as "question", if a longer one is an error; otherwise
   * what is beyond is cut off.
   */
  constructor(tokenizer: TextTokenizer, limit: number, whole?: string) {
    this.#tokenizer = tokenizer;
    this.#limit = limit;
    this.#whole = whole;
  }

  /** The same, but what is beyond the limit is cut off: for thoughts that a model made. */
  cutting(): ConditionTokens {
    return new ConditionTokens(this.#tokenizer, this.#limit);
  }

  /** [CLS], the text, [SEP]. @throws {UserError} If a text that must be whole is too long. */
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

  /** Texts side by side, padded. @returns `sourceIds` and `sourceMask` [B, M]. */
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
 * Says what is too long before training, and not when it is met. A review may be cut; half of a question
 * asks something else.
 *
 * @param tokens Reads conditions; undefined where the autoencoder does.
 * @throws {UserError} If a question, with its thoughts in multiple passes, or a sentence is too long.
 */
export function checkConditionLengths(
  examples: readonly Pick<LatentExample, "source" | "targets">[],
  { config, vae, tokens }: {
    readonly config: Pick<TextDiffusionConfig, "condition" | "conditionReader" | "thoughtPasses">;
    readonly vae: Pick<LoadedTextVae, "config" | "encoderTokenizer">;
    readonly tokens: ConditionTokens | undefined;
  },
): void {
  const { condition, conditionReader, thoughtPasses } = config;
  if (condition !== "question" && condition !== "sentence") return;
  const hearsLatents = conditionReader === "latents";
  const reader = hearsLatents
    ? new ConditionTokens(vae.encoderTokenizer, encoderTokens(vae.config), condition)
    : tokens;
  const joins = condition === "question" && thoughtPasses === "multi" && !hearsLatents;
  for (const { source = "", targets } of examples) {
    reader?.encode(joins ? nextThought(source, targets.slice(0, -1)).sources.join(" ") : source);
  }
}
