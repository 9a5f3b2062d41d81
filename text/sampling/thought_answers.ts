/** Answering problems by Diffusion of Thought (Ye et al. 2024, arXiv:2402.07754). */
import { ANSWER_MARK } from "../../datasets/thoughts.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import type { RandomStream } from "../../nn/random.ts";
import { type Layout, nextThought, wholeExample } from "../denoiser/batches.ts";
import type { DrawLatentsRequest } from "./latents.ts";

/** What draws blocks of latents and says them; blocks are normalised latents [k, d], flat. */
export interface ThoughtModel {
  /** Draws what layouts leave open. @param given The given blocks [B, k, d]. @returns [B, blocks k, d] */
  draw(
    layouts: readonly Layout[],
    request: Pick<DrawLatentsRequest, "numbers" | "random"> & { readonly given?: HostArray },
  ): Promise<HostArray>;
  /** Says blocks of the samples of those numbers. @returns Of each sample its blocks' texts. */
  say(
    latents: HostArray,
    request: Pick<DrawLatentsRequest, "numbers" | "random">,
  ): Promise<string[][]>;
  /** The latents of no text [k, d], flat. */
  readonly empty: Float32Array;
  /** The shape of a block, k and d. */
  readonly block: readonly [number, number];
}

/** A problem's thoughts as they were drawn. */
export interface Thoughts {
  /** The texts, in order, the answer being in the last. */
  readonly texts: readonly string[];
  /** How often the denoiser was run from noise to text. */
  readonly passes: number;
}

/** What is drawn. */
export interface ThoughtRequest {
  /** The questions [B]. */
  readonly questions: readonly string[];
  /** The samples' numbers [B]: each depends on the stream and on its own number alone. */
  readonly numbers: readonly number[];
  /** The stream. */
  readonly random: RandomStream;
  /** Thoughts of a problem at most. */
  readonly maxThoughts: number;
}

/** All thoughts in one pass: a block each. Blocks that say nothing are left out. */
export async function thinkTogether(
  model: ThoughtModel,
  { questions, numbers, random, maxThoughts }: ThoughtRequest,
): Promise<Thoughts[]> {
  const layouts = questions.map((source) => wholeExample({ targets: [], source }, maxThoughts));
  const request = { numbers, random };
  const said = await model.say(await model.draw(layouts, request), request);
  return said.map((texts) => ({ texts: texts.filter((text) => text.trim() !== ""), passes: 1 }));
}

/**
 * Thought by thought, each given the question and the thoughts so far, until one holds the end mark,
 * `####` in front of the answer, or says nothing, or the limit is reached.
 */
export async function thinkInTurn(
  model: ThoughtModel,
  { questions, numbers, random, maxThoughts }: ThoughtRequest,
): Promise<Thoughts[]> {
  const [k, width] = model.block;
  const size = k * width;
  const texts: string[][] = questions.map(() => []);
  const last = questions.map(() => model.empty);
  const passes = questions.map(() => 0);
  let open = questions.map((_, i) => i);
  for (let pass = 0; pass < maxThoughts && open.length > 0; pass++) {
    const given = new Float32Array(open.length * size);
    open.forEach((row, i) => given.set(last[row]!, i * size));
    const request = { numbers: open.map((row) => numbers[row]!), random: random.at(pass) };
    const drawn = await model.draw(open.map((row) => nextThought(questions[row]!, texts[row]!)), {
      ...request,
      given: float32(given, [open.length, k, width]),
    });
    const said = await model.say(drawn, request);
    const finished = new Set<number>();
    open.forEach((row, i) => {
      const [text = ""] = said[i]!;
      passes[row]!++;
      last[row] = drawn.data.slice(i * size, (i + 1) * size) as Float32Array;
      if (text.trim() !== "") texts[row]!.push(text);
      if (text.trim() === "" || text.includes(ANSWER_MARK)) finished.add(row);
    });
    open = open.filter((row) => !finished.has(row));
  }
  return texts.map((of, row) => ({ texts: of, passes: passes[row]! }));
}
