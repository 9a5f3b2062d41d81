import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { openDevice } from "../../engine/device.ts";
import { float32 } from "../../engine/tree.ts";
import { type HostParameters, initParameters } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import { decodeSafetensors } from "../../nn/safetensors.ts";
import { beamSearch } from "../../vae/beam_search.ts";
import { gpt2ConfigFromJson } from "../../vae/config_json.ts";
import { compileGpt2Decoder, type DecoderCache, reorderCache } from "../../vae/gpt2_decoder.ts";
import { compileLatentDecoder } from "../../vae/latent_decoder.ts";
import { textVaeSpecs } from "../../vae/text_vae.ts";
import { sampleToken, tokenProbabilities } from "../../vae/token_choice.ts";
import { fixtureBytes, fixtureJson, hasFixture } from "../fixtures.ts";
import { tinyTextVae } from "./tiny_text_vae.ts";

const LOGITS = Float32Array.of(1, 3, 2, 0.5, -1, 2.5);

Deno.test("tokenProbabilities() agrees with transformers' warpers, in their order", () => {
  // softmax of TemperatureLogitsWarper(0.7), then TopKLogitsWarper(4), then TopPLogitsWarper(0.8).
  const close = (found: Float64Array, expected: readonly number[]) =>
    expected.forEach((value, i) => assertAlmostEquals(found[i]!, value, 1e-6));
  close(tokenProbabilities(LOGITS, { temperature: 0.7 }), [
    0.03159041330218315,
    0.550042986869812,
    0.13181839883327484,
    0.015464825555682182,
    0.0018143196357414126,
    0.2692689895629883,
  ]);
  close(tokenProbabilities(LOGITS, { temperature: 0.7, topK: 4 }), [
    0.032145872712135315,
    0.5597144365310669,
    0.1341361701488495,
    0,
    0,
    0.2740035653114319,
  ]);
  close(tokenProbabilities(LOGITS, { temperature: 0.7, topK: 4, topP: 0.8 }), [
    0,
    0.6713473796844482,
    0,
    0,
    0,
    0.3286525309085846,
  ]);
  close(tokenProbabilities(LOGITS, { topP: 0.3 }), [0, 1, 0, 0, 0, 0]);
});

Deno.test("tokenProbabilities() throws when an option is out of its range", () => {
  for (
    const choice of [{ temperature: 0 }, { topK: -1 }, { topK: 1.5 }, { topP: 0 }, { topP: 2 }]
  ) {
    assertThrows(() => tokenProbabilities(LOGITS, choice), RangeError);
  }
});

Deno.test("tokenProbabilities() keeps the probability of keptId, and changes the others", () => {
  const share = (values: readonly number[], temperature: number) => {
    const weights = values.map((value) => Math.exp(value / temperature));
    return weights.map((weight) => weight / weights.reduce((a, b) => a + b));
  };
  const end = share([...LOGITS], 1)[2]!;
  const [a, b, c, d, e] = share([1, 3, 0.5, -1, 2.5], 0.5).map((value) => value * (1 - end));
  const found = tokenProbabilities(LOGITS, { temperature: 0.5, keptId: 2 });
  [a, b, end, c, d, e].forEach((value, i) => assertAlmostEquals(found[i]!, value!, 1e-7));
  const best = tokenProbabilities(LOGITS, { topK: 1, keptId: 2 });
  [0, 1 - end, end, 0, 0, 0].forEach((value, i) => assertAlmostEquals(best[i]!, value, 1e-7));
});

Deno.test("sampleToken() samples each token as often as it is likely", () => {
  const random = randomStream(0);
  const expected = tokenProbabilities(LOGITS, { topK: 3 });
  const counts = new Float64Array(6);
  const samples = 4000;
  for (let i = 0; i < samples; i++) counts[sampleToken(LOGITS, { topK: 3 }, random.at(i))]! += 1;
  expected.forEach((probability, id) => {
    // Five deviations of a binomial count.
    const deviation = Math.sqrt(samples * probability * (1 - probability));
    assertAlmostEquals(counts[id]!, samples * probability, 5 * deviation + 1e-9);
  });
});

async function fixtureDecoder(capacity: number) {
  const { tensors } = decodeSafetensors(await fixtureBytes("gpt2/model.safetensors"), "gpt2");
  const parameters: HostParameters = Object.fromEntries(
    [...tensors].map(([key, { data, shape }]) => [key, float32(data as Float32Array, shape)]),
  );
  const config = gpt2ConfigFromJson(await fixtureJson("gpt2/config.json"), "gpt2/config.json");
  const { prefix, prefix_shape } = await fixtureJson("gpt2/case.json");
  const device = await openDevice("cpu");
  const decoder = compileGpt2Decoder(device, parameters, config, capacity);
  return { decoder, prefix: float32(prefix, prefix_shape) };
}

/**
 * transformers 5's generate(inputs_embeds=prefix, num_beams=3, max_new_tokens=10, eos_token_id=END,
 * length_penalty=P) on the fixture, without the end token.
 */
const BEAMS: readonly [end: number, penalty: number, texts: number[][]][] = [
  [85, 1, [[32, 89], [92, 89]]],
  [85, 0, [[32, 89], [92]]],
  [85, 2, [[12, 50, 50, 50, 50, 50, 50, 64, 64, 64], [92, 89, 89, 89, 89, 71, 71, 14, 14, 14]]],
  [87, 1, [[32, 89, 85, 85, 85], [92, 89, 85, 85, 85, 85, 85, 85, 44, 44]]],
  [64, 1, [[32, 89, 85, 85, 85, 87, 87], [92, 89, 85, 85, 85, 85, 85, 85, 44, 44]]],
  [64, 0, [[32, 89, 85, 85, 85, 87], [92, 89, 85, 85, 85, 85, 85, 85]]],
  [64, 2, [[32, 89, 85, 85, 85, 34, 48, 85, 34], [92, 89, 85, 85, 85, 85, 85, 85, 44, 44]]],
  [89, 1, [[12, 50, 50, 50, 50, 50, 50, 64, 64, 64], [92]]],
  [89, 0, [[32], [92]]],
  [89, 2, [[12, 50, 50, 50, 50, 50, 50, 64, 64, 64], [92, 85, 85, 85, 85, 85, 85, 85, 44, 44]]],
];

Deno.test({
  name: "beamSearch() agrees with transformers on texts that end early and on length penalties",
  ignore: !hasFixture("gpt2"),
  fn: async () => {
    const { decoder, prefix } = await fixtureDecoder(5 + 10);
    const [beams, batch] = [3, 2];
    const size = prefix.data.length / batch;
    const repeated = new Float32Array(beams * batch * size);
    for (let row = 0; row < beams * batch; row++) {
      const text = Math.floor(row / beams);
      repeated.set(
        (prefix.data as Float32Array).subarray(text * size, (text + 1) * size),
        row * size,
      );
    }
    const starts = float32(repeated, [beams * batch, ...prefix.shape.slice(1)]);
    for (const [endId, lengthPenalty, texts] of BEAMS) {
      let cache: DecoderCache;
      const found = await beamSearch(
        { batch, beams, maxTokens: 10, endId, lengthPenalty },
        async () => {
          const begun = await decoder.begin(starts);
          cache = begun.cache;
          return begun.logits;
        },
        (rows, tokens) => {
          cache = reorderCache(cache, rows);
          return decoder.next(cache, tokens);
        },
      );
      assertEquals(found, texts, `end ${endId}, penalty ${lengthPenalty}`);
    }
    await decoder.dispose();
  },
});

Deno.test("beamSearch() finds the likeliest text when there are enough beams for all", async () => {
  // All texts of up to three tokens, of a vocabulary of three; 2 ends a text. Logits are random.
  const [vocabulary, endId, maxTokens] = [3, 2, 3];
  const logitsAfter = (tokens: readonly number[]) =>
    randomStream(7).at(tokens.reduce((sum, id) => 4 * sum + id + 1, 0)).normal(vocabulary);
  const logProbabilities = (tokens: readonly number[]) => {
    const logits = logitsAfter(tokens);
    const total = Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0));
    return logits.map((x) => x - total);
  };
  let best = { tokens: [] as number[], score: -Infinity };
  const explore = (tokens: number[], sum: number) => {
    const ended = tokens.at(-1) === endId;
    if (ended || tokens.length === maxTokens) {
      const score = sum / tokens.length;
      if (score > best.score) best = { tokens: ended ? tokens.slice(0, -1) : tokens, score };
      return;
    }
    logProbabilities(tokens).forEach((p, id) => explore([...tokens, id], sum + p));
  };
  explore([], 0);
  const beams = 9;
  let texts: number[][] = Array.from({ length: beams }, () => []);
  const all = () => Float32Array.from(texts.flatMap((tokens) => [...logitsAfter(tokens)]));
  const found = await beamSearch(
    { batch: 1, beams, maxTokens, endId },
    () => Promise.resolve(all()),
    (rows, tokens) => {
      texts = rows.map((row, i) => [...texts[row]!, tokens[i]!]);
      return Promise.resolve(all());
    },
  );
  assertEquals(found, [best.tokens]);
});

Deno.test("compileLatentDecoder() decodes a text alike by equivalent methods and in any batch", async () => {
  const config = tinyTextVae("tokens");
  const parameters = initParameters(textVaeSpecs(config), randomStream(3));
  const device = await openDevice("cpu");
  const decoder = compileLatentDecoder(device, { parameters, config, endId: 1 });
  const shape = [config.latents, config.latentWidth];
  const values = randomStream(4).normal(2 * shape[0]! * shape[1]!);
  const both = float32(values, [2, ...shape]);
  const first = float32(values.slice(0, values.length / 2), [1, ...shape]);
  const greedy = await decoder.decode(both);
  assertEquals(greedy.length, 2);
  assert(greedy.every((text) => text.length <= config.maxTokens && !text.includes(1)));
  assertEquals(await decoder.decode(first), greedy.slice(0, 1));
  assertEquals(await decoder.decode(both, { method: "beam", beams: 1 }), greedy);
  // Only the likeliest token is kept.
  const sampled = { method: "sample", topK: 1, random: randomStream(5) } as const;
  assertEquals(await decoder.decode(both, sampled), greedy);
  const hot = { method: "sample", temperature: 5, random: randomStream(5) } as const;
  const texts = await decoder.decode(both, hot);
  assertEquals(await decoder.decode(both, hot), texts);
  assertEquals(await decoder.decode(first, hot), texts.slice(0, 1));
  // A text's random numbers depend on its number, not on its position.
  const numbered = await decoder.decode(both, { ...hot, numbers: [7, 0] });
  assertEquals(await decoder.decode(first, { ...hot, numbers: [7] }), numbered.slice(0, 1));
  assertNotEquals(numbered[0], texts[0]);
  await decoder.dispose();
});
