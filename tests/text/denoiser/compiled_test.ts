import { assertEquals, assertRejects } from "@std/assert";
import { compileTextDenoiser } from "../../../text/denoiser/compiled.ts";
import { latentNoiseSchedule } from "../../../text/denoiser/schedules.ts";
import {
  conditionEncoderSpecs,
  denoiseLatents,
  latentDenoiserSpecs,
  type LatentInputs,
  readCondition,
  type TextDenoiserConfig,
  textDenoiserConfig,
} from "../../../text/denoiser/network.ts";
import { openDevice } from "../../../engine/device.ts";
import { UserError } from "../../../base/errors.ts";
import * as tf from "../../../engine/tf.ts";
import { float32, int32, sizeOf } from "../../../engine/tree.ts";
import { constants, type HostParameters, type Parameters } from "../../../nn/parameters.ts";
import { randomStream } from "../../../nn/random.ts";
import { assertAllClose } from "../../assert_close.ts";
import { compute } from "../../nn/on_device.ts";

const SIZES = { latents: 2, latentWidth: 3, layers: 1, width: 8, heads: 2 } as const;
const ENCODER = {
  vocabSize: 11,
  hiddenSize: 8,
  numHiddenLayers: 1,
  numAttentionHeads: 2,
  intermediateSize: 16,
  maxPositionEmbeddings: 7,
  typeVocabSize: 1,
  layerNormEps: 1e-12,
  initializerRange: 0.5,
};
const SCHEDULE = latentNoiseSchedule("cosine", { numTrainTimesteps: 100 });

/** Random weights, without zeros. */
function weightsOf(config: TextDenoiserConfig): HostParameters {
  const specs = { ...latentDenoiserSpecs(config), ...conditionEncoderSpecs(config) };
  return Object.fromEntries(
    Object.entries(specs).map(([name, { shape }]) => {
      const values = randomStream(5).stream(name).normal(sizeOf(shape));
      return [name, float32(values.map((value) => 0.3 * value), shape)] as const;
    }),
  );
}

const random = (name: string, size: number) => randomStream(1).stream(name).normal(size);

/** The output of the network without compiling. */
async function direct(
  weights: HostParameters,
  config: TextDenoiserConfig,
  inputs: (parameters: Parameters) => LatentInputs,
): Promise<Float32Array> {
  const { output } = await compute("cpu", {}, () => {
    const parameters = constants(weights);
    return { output: denoiseLatents(parameters, inputs(parameters), config) };
  });
  return output!.data as Float32Array;
}

Deno.test("compileTextDenoiser() applies guidance, and self-conditions on the guided estimate", async () => {
  const config = textDenoiserConfig({ ...SIZES, encoder: ENCODER });
  const weights = weightsOf(config);
  const ids = int32([1, 5, 2, 1, 2, 0], [2, 3]);
  const mask = int32([1, 1, 1, 1, 1, 0], [2, 3]);
  const compiled = compileTextDenoiser(await openDevice("cpu"), weights, config);
  const denoise = await compiled.condition({
    condition: { sourceIds: ids, sourceMask: mask },
    guidanceScale: 2.5,
    x0Source: SCHEDULE,
  });
  const [first, second] = [random("first", 12), random("second", 12)];
  const found = [await denoise(first, 90), await denoise(second, 40)];
  await compiled.dispose();

  const outputOf = (x: Float32Array, timestep: number, drop: number, estimate: Float32Array) =>
    direct(weights, config, (parameters) => ({
      x: tf.tensor3d(x, [2, 2, 3]),
      timesteps: tf.fill([2], timestep) as tf.Tensor1D,
      states: readCondition(
        parameters,
        tf.tensor2d([...ids.data], [2, 3], "int32"),
        tf.tensor2d([...mask.data], [2, 3], "int32"),
        config,
      ),
      dropCondition: tf.fill([2], drop) as tf.Tensor1D,
      x0Estimate: tf.tensor3d(estimate, [2, 2, 3]),
    }));
  let estimate = new Float32Array(12);
  for (const [i, [x, timestep]] of ([[first, 90], [second, 40]] as const).entries()) {
    const conditional = await outputOf(x, timestep, 0, estimate);
    const none = await outputOf(x, timestep, 1, estimate);
    const guided = conditional.map((value, j) => none[j]! + 2.5 * (value - none[j]!));
    assertAllClose(found[i]!, guided, { atol: 1e-4, rtol: 1e-4 });
    estimate = Float32Array.from(guided); // the model predicts clean samples
  }
});

Deno.test("compileTextDenoiser() puts given blocks in front and returns the others", async () => {
  const sizes = { ...SIZES, blocks: 2, conditionBlocks: 1, selfConditioning: false };
  const config = textDenoiserConfig(sizes);
  const weights = weightsOf(config);
  const [given, source, x] = ["given", "source", "x"].map((name) => random(name, 6)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const compiled = compileTextDenoiser(await openDevice("cpu"), weights, config);
  const denoise = await compiled.condition({
    condition: { sourceLatents: float32(source, [1, 2, 3]) },
    given: float32(given, [1, 2, 3]),
    x0Source: SCHEDULE,
  });
  const found = await denoise(x, 7);
  await compiled.dispose();
  const whole = await direct(weights, config, () => ({
    x: tf.tensor3d([...given, ...x], [1, 4, 3]),
    timesteps: tf.tensor1d([7]),
    given: tf.tensor3d([1, 1, 0, 0], [1, 4, 1]),
    states: {
      context: tf.tensor3d(source, [1, 2, 3]),
      pooled: tf.mean(tf.tensor3d(source, [1, 2, 3]), 1) as tf.Tensor2D,
    },
  }));
  assertEquals(found.length, 6);
  assertAllClose(found, whole.slice(6), { atol: 1e-5, rtol: 1e-5 });
});

Deno.test("compileTextDenoiser() refuses guidance without a condition", async () => {
  const config = textDenoiserConfig(SIZES);
  const compiled = compileTextDenoiser(await openDevice("cpu"), weightsOf(config), config);
  const request = { condition: {}, guidanceScale: 3, x0Source: SCHEDULE };
  await assertRejects(() => compiled.condition(request), UserError, "--guidance 3");
  const denoise = await compiled.condition({ ...request, guidanceScale: 1 });
  assertEquals((await denoise(random("x", 12), 5)).length, 12); // two samples
  await compiled.dispose();
});
