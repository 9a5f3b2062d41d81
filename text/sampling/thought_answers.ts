/** Solving problems by Diffusion of Thought (Ye et al. 2024, arXiv:2402.07754). */
import { ANSWER_MARK } from "../../datasets/thoughts.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import type { RandomStream } from "../../nn/random.ts";
import { type Layout, nextThought, wholeExample } from "../denoiser/layouts.ts";
import type { LatentRequest } from "./latents.ts";

/** A model that samples and decodes blocks of latents. A block is normalized latents [k, d]. */
export interface ThoughtModel {
  /**
   * Samples the blocks of layouts that are not given.
   *
   * @param request.given The given blocks [B, k, d].
   * @returns [B, blocks k, d]
   */
  sample(
    layouts: readonly Layout[],
    request: Pick<LatentRequest, "numbers" | "random" | "given">,
  ): Promise<HostArray>;
  /** Decodes the blocks of samples. @returns The texts of each sample's blocks. */
  decode(
    latents: HostArray,
    request: Pick<LatentRequest, "numbers" | "random">,
  ): Promise<string[][]>;
  readonly empty: Float32Array; // latents of an empty text [k, d], flat
  readonly block: readonly [number, number]; // shape of a block, k and d
}

export interface ThoughtRequest {
  readonly questions: readonly string[]; // [B]
  /** The numbers of the samples [B]: each sample depends only on the stream and on its own number. */
  readonly numbers: readonly number[];
  readonly random: RandomStream;
  readonly maxThoughts: number;
}

/** Samples all thoughts [B][thoughts] in one pass, a block each. Empty blocks are left out. */
export async function thinkTogether(
  model: ThoughtModel,
  { questions, numbers, random, maxThoughts }: ThoughtRequest,
): Promise<string[][]> {
  const layouts = questions.map((source) => wholeExample({ targets: [], source }, maxThoughts));
  const request = { numbers, random };
  const decoded = await model.decode(await model.sample(layouts, request), request);
  return decoded.map((texts) => texts.filter((text) => text.trim() !== ""));
}

/**
 * Samples one thought after the other, each given the question and the previous thoughts, until one has the
 * mark `####` in front of the answer, or is empty, or the limit is reached.
 */
export async function thinkInTurn(
  model: ThoughtModel,
  { questions, numbers, random, maxThoughts }: ThoughtRequest,
): Promise<string[][]> {
  const [k, width] = model.block;
  const size = k * width;
  const texts: string[][] = questions.map(() => []);
  const last = questions.map(() => model.empty);
  let open = questions.map((_, i) => i);
  for (let pass = 0; pass < maxThoughts && open.length > 0; pass++) {
    const given = new Float32Array(open.length * size);
    open.forEach((row, i) => given.set(last[row]!, i * size));
    const request = { numbers: open.map((row) => numbers[row]!), random: random.at(pass) };
    const layouts = open.map((row) => nextThought(questions[row]!, texts[row]!));
    const sampled = await model.sample(layouts, {
      ...request,
      given: float32(given, [open.length, k, width]),
    });
    const decoded = await model.decode(sampled, request);
    const finished = new Set<number>();
    open.forEach((row, i) => {
      const [text = ""] = decoded[i]!;
      last[row] = sampled.data.slice(i * size, (i + 1) * size) as Float32Array;
      if (text.trim() !== "") texts[row]!.push(text);
      if (text.trim() === "" || text.includes(ANSWER_MARK)) finished.add(row);
    });
    open = open.filter((row) => !finished.has(row));
  }
  return texts;
}
