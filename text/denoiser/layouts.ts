/** How examples become blocks of latents and conditions. */
import type { LatentExample } from "../examples.ts";
import type { DenoiserConfig } from "../settings.ts";

/** The blocks of an example, of which some are given, and its condition. */
export interface Layout {
  readonly blocks: readonly string[]; // texts of the blocks, in order; empty for a missing block
  readonly given: number; // number of blocks, at the start, that are given
  /** The texts of the condition: a question and the thoughts before the blocks. */
  readonly sources: readonly string[];
}

/** Whether the thoughts of a problem are generated one after the other. */
export function isMultiPass(
  { condition, thoughtPasses }: Pick<DenoiserConfig, "condition" | "thoughtPasses">,
): boolean {
  return condition === "question" && thoughtPasses === "multi";
}

/** The number of blocks: one per thought, or in multiple passes the previous one and the next. */
export function blockCount(config: DenoiserConfig): number {
  if (config.condition !== "question") return 1;
  return isMultiPass(config) ? 2 : config.maxThoughts;
}

/** The maximum number of texts of a condition: the question, and thoughts before the blocks. */
export function sourceCount(config: DenoiserConfig): number {
  return isMultiPass(config) ? Math.max(1, config.maxThoughts - 1) : 1;
}

/**
 * The layout of the next thought, in multiple passes: the previous thought is a given block, and the
 * thoughts before it are part of the condition. An empty next thought is to be sampled.
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

/** The layout of a whole example, to be denoised at once. */
export function wholeExample({ targets, source }: LatentExample, blocks: number): Layout {
  return {
    blocks: Array.from({ length: blocks }, (_, i) => targets[i] ?? ""),
    given: 0,
    sources: source === undefined ? [] : [source],
  };
}

/** All texts that need latents, each once: those of blocks, and of conditions that are latents. */
export function latentTexts(
  examples: readonly (readonly LatentExample[])[],
  { conditionReader }: Pick<DenoiserConfig, "conditionReader">,
): string[] {
  const all = examples.flat();
  const texts = new Set(["", ...all.flatMap(({ targets }) => targets)]);
  if (conditionReader === "latents") {
    for (const { source } of all) if (source !== undefined) texts.add(source);
  }
  return [...texts];
}
