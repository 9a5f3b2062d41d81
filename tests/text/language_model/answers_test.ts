import { assert, assertEquals } from "@std/assert";
import { openDevice } from "../../../engine/device.ts";
import { continueQuestions } from "../../../text/language_model/answers.ts";
import { initParameters } from "../../../nn/parameters.ts";
import { randomStream } from "../../../nn/random.ts";
import { gpt2Specs } from "../../../vae/gpt2.ts";
import { compileGpt2Decoder, type DecoderCache } from "../../../vae/gpt2_decoder.ts";

const END = 0;

/** A decoder after whose token i comes i + 1, and after 5 the end. */
function counting() {
  const received: number[][] = [];
  const logitsAfter = (tokens: ArrayLike<number>) => {
    received.push(Array.from(tokens));
    const logits = new Float32Array(tokens.length * 10);
    Array.from(tokens, (token, row) => logits[row * 10 + (token >= 5 ? END : token + 1)] = 9);
    return logits;
  };
  return {
    received,
    begin: (starts: { data: ArrayLike<number> }) =>
      Promise.resolve({ cache: {} as DecoderCache, logits: logitsAfter(starts.data) }),
    next: (_cache: DecoderCache, tokens: Int32Array) => Promise.resolve(logitsAfter(tokens)),
  };
}

const OPTIONS = { endId: END, maxTokens: 4, temperature: 0, random: randomStream(1) };

Deno.test("continueQuestions() feeds each question to its end, then its own tokens", async () => {
  const decoder = counting();
  const questions = [Int32Array.of(3), Int32Array.of(9, 9, 4), Int32Array.of(1, 1)];
  const answers = await continueQuestions(decoder, questions, { ...OPTIONS, numbers: [0, 1, 2] });
  // The last is cut off at four tokens.
  assertEquals(answers, [[4, 5], [5], [2, 3, 4, 5]]);
  assertEquals(decoder.received.slice(0, 4), [[3, 9, 1], [4, 9, 1], [5, 4, 2], [END, 5, 3]]);
});

Deno.test("continueQuestions() has the same answers alone and in a batch, sampled by number", async () => {
  const config = {
    vocabSize: 12,
    nPositions: 16,
    nEmbd: 8,
    nLayer: 2,
    nHead: 2,
    layerNormEpsilon: 1e-5,
    initializerRange: 0.5,
  };
  const parameters = initParameters(gpt2Specs(config), randomStream(0));
  const decoder = compileGpt2Decoder(await openDevice("cpu"), parameters, config, 16);
  const questions = [Int32Array.of(3, 4, 5, 6), Int32Array.of(7)];
  for (const temperature of [0, 1.5]) {
    const options = { ...OPTIONS, maxTokens: 6, temperature };
    const both = await continueQuestions(decoder, questions, { ...options, numbers: [5, 6] });
    for (const row of [0, 1]) {
      const numbers = [5 + row];
      const alone = await continueQuestions(decoder, [questions[row]!], { ...options, numbers });
      assertEquals(alone, [both[row]!]);
    }
    if (temperature === 0) continue;
    const other = await continueQuestions(decoder, questions, { ...options, numbers: [7, 8] });
    assert(JSON.stringify(other) !== JSON.stringify(both));
  }
  await decoder.dispose();
});
