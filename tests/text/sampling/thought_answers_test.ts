import { assertEquals } from "@std/assert";
import { float32 } from "../../../engine/tree.ts";
import {
  thinkInTurn,
  thinkTogether,
  type ThoughtModel,
} from "../../../text/sampling/thought_answers.ts";
import { randomStream } from "../../../nn/random.ts";
import type { Layout } from "../../../text/denoiser/layouts.ts";

/** A call of the scripted model. */
interface Call {
  readonly layouts: readonly Layout[];
  readonly numbers: readonly number[];
  readonly given: readonly number[] | undefined;
}

/**
 * A model that answers a question and the thoughts so far by a script. The latents [1, 1] of a block are
 * its index in the list of all texts so far, from 1.
 */
function scripted(answer: (source: string, blocks: readonly string[]) => string[]) {
  const calls: Call[] = [];
  const known: string[] = [""];
  const model: ThoughtModel = {
    sample: (layouts, { numbers, given }) => {
      calls.push({ layouts, numbers, given: given && [...given.data] });
      const texts = layouts.map(({ sources, blocks }) => answer(sources.join(" "), blocks));
      const places = texts.flat().map((text) => known.push(text) - 1);
      return Promise.resolve(float32(places, [layouts.length, texts[0]!.length, 1]));
    },
    decode: ({ data, shape }) => {
      const texts = Array.from(data, (place) => known[place]!);
      const blocks = shape[1]!;
      return Promise.resolve(
        Array.from({ length: shape[0]! }, (_, i) => texts.slice(i * blocks, (i + 1) * blocks)),
      );
    },
    empty: Float32Array.of(0),
    block: [1, 1],
  };
  return { model, calls };
}

const request = (questions: string[], maxThoughts: number) => ({
  questions,
  numbers: questions.map((_, i) => 10 + i),
  random: randomStream(0),
  maxThoughts,
});

Deno.test("thinkInTurn() conditions each thought on those before it, until the answer mark", async () => {
  const script: Record<string, string> = { "q|": "t1", "q|t1": "t2", "q t1|t2": "t3 #### 7" };
  script["r|"] = "#### 1";
  const { model, calls } = scripted((source, [last]) => [script[`${source}|${last}`]!]);
  const thoughts = await thinkInTurn(model, request(["q", "r"], 9));
  assertEquals(thoughts, [
    ["t1", "t2", "t3 #### 7"],
    ["#### 1"],
  ]);
  // Finished problems are left out; the latents of the last thought are given.
  assertEquals(calls.map(({ numbers }) => numbers), [[10, 11], [10], [10]]);
  assertEquals(calls.map(({ given }) => given), [[0, 0], [1], [3]]);
});

Deno.test("thinkInTurn() ends at the limit, and at an empty thought", async () => {
  const endless = scripted(() => ["more"]);
  const [limited] = await thinkInTurn(endless.model, request(["q"], 4));
  assertEquals(limited, ["more", "more", "more", "more"]);
  assertEquals(endless.calls.length, 4);
  const silent = scripted((_, [last]) => [last === "" ? "first" : " "]);
  const [ended] = await thinkInTurn(silent.model, request(["q"], 4));
  assertEquals(ended, ["first"]);
  assertEquals(silent.calls.length, 2);
});

Deno.test("thinkTogether() samples all thoughts at once and leaves empty blocks out", async () => {
  const { model, calls } = scripted((source) => [`${source}1`, "", `${source}2 #### 3`]);
  const thoughts = await thinkTogether(model, request(["q", "r"], 3));
  assertEquals(thoughts, [
    ["q1", "q2 #### 3"],
    ["r1", "r2 #### 3"],
  ]);
  assertEquals(calls.length, 1);
  assertEquals(calls[0]!.layouts.map(({ blocks, given }) => [blocks.length, given]), [
    [3, 0],
    [3, 0],
  ]);
});
