import { assertEquals, assertNotEquals } from "@std/assert";
import { latentNoiseSchedule } from "../../../text/denoiser/schedules.ts";
import { diffusionBatch } from "../../../diffusion/objective.ts";
import { latentDenoiserSpecs, textDenoiserConfig } from "../../../text/denoiser/network.ts";
import { openDevice } from "../../../engine/device.ts";
import { float32 } from "../../../engine/tree.ts";
import {
  compileExampleLosses,
  firstOfSets,
  namedOption,
  optionLosses,
} from "../../../text/sampling/option_answers.ts";
import { initParameters } from "../../../nn/parameters.ts";
import { randomStream } from "../../../nn/random.ts";
import type { LatentExample } from "../../../text/examples.ts";
import { assertAllClose } from "../../assert_close.ts";

const SCHEDULE = latentNoiseSchedule("cosine", {
  numTrainTimesteps: 10,
  predictionType: "sample",
});

/** A batch of one number an example, which is the length of its target. */
function lengthsBatch(examples: readonly LatentExample[], timesteps: Int32Array) {
  const x0 = float32(examples.map(({ targets }) => targets[0]!.length), [examples.length, 1, 1]);
  const noise = new Float32Array(examples.length);
  return { batch: diffusionBatch(SCHEDULE, { x0, noise, timesteps }), timesteps };
}

Deno.test("optionLosses() averages the losses over draws, at the same time steps for both options", async () => {
  const target = (text: string): LatentExample => ({ targets: [text] });
  const options = [[target("a"), target("bbb"), target("c")], [
    target("aa"),
    target("b"),
    target("c"),
  ]];
  const places: number[][] = [];
  const losses = await optionLosses(options, {
    batchesOf: (examples, random) => {
      const drawn = Int32Array.from(random.uniform(examples.length), (u) => Math.floor(10 * u));
      places.push([...drawn]);
      // Batches of two and of one.
      return [
        lengthsBatch(examples.slice(0, 2), drawn.slice(0, 2)),
        lengthsBatch(examples.slice(2), drawn.slice(2)),
      ];
    },
    // A loss of x0 times the time step.
    lossesOf: ({ x0, timesteps }) =>
      Promise.resolve(Array.from(x0.data, (value, i) => value * timesteps.data[i]!)),
    random: randomStream(5),
    draws: 3,
  });
  assertEquals(places.length, 6);
  for (let draw = 0; draw < 3; draw++) assertEquals(places[2 * draw], places[2 * draw + 1]);
  assertNotEquals(places[0], places[2]);
  const lengths = [[1, 2], [3, 1], [1, 1]];
  lengths.forEach((of, row) => {
    const mean = [0, 2, 4].reduce((sum, draw) => sum + places[draw]![row]!, 0) / 3;
    assertAllClose(losses[row]!, of.map((length) => length * mean), { rtol: 1e-12 });
  });
});

Deno.test("compileExampleLosses() has the mean squares of x0 for a new denoiser, whose output is 0", async () => {
  const config = textDenoiserConfig({ latents: 2, latentWidth: 2, layers: 1, width: 8, heads: 2 });
  const parameters = initParameters(latentDenoiserSpecs(config), randomStream(0));
  const { lossesOf, dispose } = compileExampleLosses(await openDevice("cpu"), {
    config,
    parameters,
  });
  const x0 = float32([1, 2, 3, 4, 0, 0, 0, 2], [2, 2, 2]);
  const batch = diffusionBatch(SCHEDULE, {
    x0,
    noise: randomStream(1).normal(8),
    timesteps: Int32Array.of(3, 8),
  });
  assertAllClose(await lossesOf(batch), [30 / 4, 1], { rtol: 1e-5 });
  await dispose();
});

Deno.test("namedOption() is the longest option that a text begins with, in whole words", () => {
  const names = ["bag", "bag of rice", "Ann"];
  const cases: [string, number | undefined][] = [
    ["bag was full", 0],
    [" Bag of rice was full", 1],
    ["ann, who helped", 2],
    ["bag", 0],
    ["bags were full", undefined],
    ["the bag was full", undefined],
    ["", undefined],
  ];
  for (const [text, expected] of cases) assertEquals(namedOption(text, names), expected, text);
});

Deno.test("firstOfSets() has the first examples of each set, in order", () => {
  const of = (set: string, source: string): LatentExample => ({ targets: [], source, set });
  const examples = [of("a", "1"), of("b", "2"), of("a", "3"), of("a", "4"), of("b", "5")];
  assertEquals(firstOfSets(examples, 2).map(({ source }) => source), ["1", "2", "3", "5"]);
  const plain: LatentExample[] = [{ targets: ["x"] }, { targets: ["y"] }];
  assertEquals(firstOfSets(plain, 1), [{ targets: ["x"] }]);
});
