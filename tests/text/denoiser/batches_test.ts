import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { latentNoiseSchedule } from "../../../text/denoiser/schedules.ts";
import { UserError } from "../../../base/errors.ts";
import { float32 } from "../../../engine/tree.ts";
import { randomStream } from "../../../nn/random.ts";
import type { LatentExample } from "../../../text/examples.ts";
import { ConditionTokens } from "../../../text/condition_tokens.ts";
import { LatentBatches } from "../../../text/denoiser/batches.ts";
import { latentTexts, nextThought } from "../../../text/denoiser/layouts.ts";
import type { DenoiserConfig } from "../../../text/settings.ts";
import { trainBpe } from "../../../vae/tokenizer/bpe.ts";
import { TextTokenizer } from "../../../vae/tokenizer/tokenizer.ts";

const CONFIG = {
  condition: "question",
  conditionReader: "new",
  conditionDropout: 0,
  thoughtPasses: "multi",
  maxThoughts: 3,
  randomCut: true,
  scheduledSampling: 0,
  coupledSampling: 0,
  objective: "diffusion",
  minSnrGamma: 0,
  p2Gamma: 0,
  p2K: 1,
  timestepSampling: "uniform",
  selfConditioning: 0,
  batchSize: 64,
  steps: 100,
  validationSize: 10,
} as const;

const PROBLEMS: LatentExample[] = [
  { source: "q", targets: ["a", "b", "c"], answer: "1" },
  { source: "r", targets: ["d"], answer: "2" },
];

/** The latents [2, 1] of text i are i and -i. */
const TEXTS = ["", "a", "b", "c", "d"];
const LATENTS = {
  texts: TEXTS,
  latents: float32(TEXTS.flatMap((_, i) => [i, -i]), [TEXTS.length, 2, 1]),
  mean: Float32Array.of(0),
  deviation: Float32Array.of(1),
  range: 3,
};

function tokenizer(): TextTokenizer {
  const { tokenizer, config } = trainBpe(["a b c d q r"], { vocabSize: 300, splitDigits: false });
  return new TextTokenizer(tokenizer, config);
}

function batchesOf(changes: Partial<DenoiserConfig> = {}, classes: number | null = null) {
  const config = { ...CONFIG, ...changes } as DenoiserConfig;
  return new LatentBatches({
    config,
    schedule: latentNoiseSchedule("cosine", { numTrainTimesteps: 10 }),
    latents: LATENTS,
    classes,
    tokens: config.condition === "question" && config.conditionReader !== "latents"
      ? new ConditionTokens(tokenizer(), 20, "question")
      : undefined,
  });
}

/** The blocks of a batch by their first numbers [B][blocks]. */
function blocksOf({ data, shape }: { data: ArrayLike<number>; shape: readonly number[] }) {
  const [batch, vectors] = shape as [number, number];
  return Array.from(
    { length: batch },
    (_, i) => Array.from({ length: vectors / 2 }, (_, j) => Math.abs(data[i * vectors + 2 * j]!)),
  );
}

Deno.test("LatentBatches.training() pairs a random thought with the previous one, which is given", () => {
  const at = batchesOf().training(PROBLEMS, randomStream(0));
  const pairs = [0, 1, 2, 3].flatMap((step) => {
    const { batch } = at(step);
    const given = batch.condition["given"]!;
    assertEquals(given.shape, [64, 4, 1]);
    assertEquals([...given.data.slice(0, 8)], [1, 1, 0, 0, 1, 1, 0, 0]);
    return blocksOf(batch.x0).map(String);
  });
  const count = (pair: string) => pairs.filter((other) => other === pair).length;
  // Of 256, half are of each problem; each of the three cuts of the first is expected 43 times.
  assertEquals(count("0,4"), 128);
  const cuts = ["0,1", "1,2", "2,3"].map(count);
  assertEquals(cuts.reduce((a, b) => a + b), 128);
  for (const of of cuts) assert(Math.abs(of - 128 / 3) < 24, String(cuts));
});

Deno.test("LatentBatches.training() visits every thought equally often without random cuts", () => {
  const at = batchesOf({ randomCut: false }).training(PROBLEMS, randomStream(0));
  const pairs = blocksOf(at(0).batch.x0).map(String);
  for (const pair of ["0,1", "1,2", "2,3", "0,4"]) {
    assertEquals(pairs.filter((other) => other === pair).length, 16);
  }
});

Deno.test("LatentBatches.training() noises the previous thought, too, in coupled sampling", () => {
  const { batch } = batchesOf({ coupledSampling: 1 }).training(PROBLEMS, randomStream(0))(0);
  const given = blocksOf(batch.condition["given"]!);
  blocksOf(batch.x0).forEach(([previous], i) => {
    // A first thought has none before it.
    assertEquals(given[i], previous === 0 ? [1, 0] : [0, 0]);
  });
});

Deno.test("LatentBatches.training() has the latents of question and earlier thoughts as condition", () => {
  const batches = batchesOf({ conditionReader: "latents", maxThoughts: 4 }).withLatents({
    ...LATENTS,
    texts: ["", "a", "b", "c", "q"],
  });
  assertEquals([batches.hasLatentsOf(["q", ""]), batches.hasLatentsOf(["q", "r"])], [true, false]);
  const { batch } = batches.training([PROBLEMS[0]!], randomStream(0))(0);
  assertEquals(batch.condition["sourceIds"], undefined);
  const sources = blocksOf(batch.condition["sourceLatents"]!);
  const found = blocksOf(batch.x0).map((pair, i) => `${sources[i]} | ${pair}`);
  // Indices of texts: q, the thoughts before the given block, and the empty text.
  assertEquals([...new Set(found)].sort(), ["4,0,0 | 0,1", "4,0,0 | 1,2", "4,1,0 | 2,3"]);
});

Deno.test("LatentBatches.training() has all thoughts as blocks in a single pass, empty ones at the end", () => {
  const batches = batchesOf({ thoughtPasses: "single" });
  const { batch } = batches.training(PROBLEMS, randomStream(0))(0);
  assertEquals(batch.condition["given"], undefined);
  const blocks = new Set(blocksOf(batch.x0).map(String));
  assertEquals([...blocks].sort(), ["1,2,3", "4,0,0"]);
});

Deno.test("LatentBatches.training() is a function of the step, and rolls out more often in later steps", () => {
  const at = batchesOf({ scheduledSampling: 1 }).training(PROBLEMS, randomStream(0));
  const later = at(40);
  at(3);
  assertEquals(at(40), later);
  const rolled = (from: number) =>
    Array.from({ length: 30 }, (_, i) => at(from + i).batch.condition["rolloutNoise"])
      .filter((noise) => noise !== undefined).length;
  assertEquals(at(0).batch.condition["rolloutNoise"], undefined);
  assert(rolled(0) < rolled(70)); // 4.4 of 30 against 25.4 on average
});

Deno.test("LatentBatches.training() drops the given share of conditions, classes to the null class", () => {
  const changes = { condition: "rating", conditionDropout: 0.25 } as const;
  const at = batchesOf(changes, 5).training([{ targets: ["a"], label: 3 }], randomStream(0));
  const labels = [0, 1, 2, 3].flatMap((step) => [...at(step).batch.condition["classLabels"]!.data]);
  assertEquals([...new Set(labels)].sort(), [3, 5]);
  const dropped = labels.filter((label) => label === 5).length;
  assert(Math.abs(dropped - 64) < 28, String(dropped)); // four standard deviations
});

Deno.test("LatentBatches.validation() has the same noise in every run, without self-conditioning", () => {
  const [first, second] = [batchesOf({ selfConditioning: 1 }), batchesOf()]
    .map((batches) => batches.validation(PROBLEMS));
  assertEquals(first, second);
  assertNotEquals(first![0]!.timesteps.length, 0);
});

Deno.test("LatentBatches.measuring() has noise and time steps that do not depend on the texts", () => {
  const batches = batchesOf({ thoughtPasses: "single", maxThoughts: 1 });
  const measured = (target: string, seed: number) =>
    batches.measuring(
      Array.from({ length: 5 }, (): LatentExample => ({ source: "q", targets: [target] })),
      randomStream(seed),
      { draw: "low_discrepancy", batchSize: 3 },
    );
  const [a, b, other] = [measured("a", 1), measured("b", 1), measured("a", 2)];
  assertEquals(a.map(({ timesteps }) => timesteps.length), [3, 2]);
  a.forEach(({ batch, timesteps }, i) => {
    assertEquals(timesteps, b[i]!.timesteps);
    assertEquals(batch.noise, b[i]!.batch.noise);
    assertNotEquals(batch.x0, b[i]!.batch.x0);
    assertNotEquals(batch.noise, other[i]!.batch.noise);
  });
});

Deno.test("latentTexts() has each text once, with conditions that are latents", () => {
  assertEquals(latentTexts([PROBLEMS], { conditionReader: "new" }), TEXTS);
  assertEquals(latentTexts([PROBLEMS], { conditionReader: "latents" }), [...TEXTS, "q", "r"]);
});

Deno.test("nextThought() has the last thought as a given block and those before it as sources", () => {
  assertEquals(nextThought("q", []), { blocks: ["", ""], given: 1, sources: ["q"] });
  assertEquals(nextThought("q", ["a", "b", "c"], "d"), {
    blocks: ["c", "d"],
    given: 1,
    sources: ["q", "a", "b"],
  });
});

Deno.test("ConditionTokens refuses a question that is too long, and cutting() cuts it", () => {
  const tokens = new ConditionTokens(tokenizer(), 3, "question");
  assertEquals(tokens.encode("abc").length, 5); // three letters between [CLS] and [SEP]
  const error = assertThrows(() => tokens.encode("abcd"), UserError);
  assert(error.message.includes("4 tokens") && error.message.includes("--condition-tokens"));
  assertEquals(tokens.cutting().encode("abcd"), tokens.encode("abc"));
});
