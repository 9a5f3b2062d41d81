import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DIT_DEFAULTS, type DitConfig } from "../../../diffusion/networks/dit_config.ts";
import { flowX0Coefficients } from "../../../diffusion/flow_matching.ts";
import { compileImageDenoiser } from "../../../diffusion/networks/image_denoiser.ts";
import {
  describeNetwork,
  type ImageNetworkConfig,
  networkSpecs,
} from "../../../diffusion/networks/image_network.ts";
import { x0Coefficients } from "../../../diffusion/parameterisation.ts";
import { noiseSchedule } from "../../../diffusion/schedules.ts";
import { unet } from "../../../diffusion/networks/unet.ts";
import { openDevice } from "../../../engine/device.ts";
import { UserError } from "../../../base/errors.ts";
import * as tf from "../../../engine/tf.ts";
import { float32 } from "../../../engine/tree.ts";
import { constants, type HostParameters } from "../../../nn/parameters.ts";
import { randomStream } from "../../../nn/random.ts";
import { assertAllClose } from "../../assert_close.ts";
import { randomParameters, TINY_UNET } from "../../tiny_unet.ts";

const TINY_DIT: DitConfig = {
  ...DIT_DEFAULTS,
  sampleSize: 4,
  patchSize: 2,
  inChannels: 1,
  outChannels: 1,
  numLayers: 1,
  numAttentionHeads: 2,
  attentionHeadDim: 4,
  numEmbedsAdaNorm: 2,
};

/** Parameters without zeros. */
function dense(config: ImageNetworkConfig): HostParameters {
  return Object.fromEntries(
    Object.entries(networkSpecs(config)).map(([name, { shape }]) => {
      const length = shape.reduce((a, b) => a * b, 1);
      const values = randomStream(9).stream(name).normal(length).map((z) => .3 * z);
      return [name, float32(values, shape)] as const;
    }),
  );
}

Deno.test("describeNetwork() derives self-conditioning and variances from a UNet's channels", () => {
  const of = (inChannels: number, outChannels: number, channels?: number) => {
    const found = describeNetwork({ ...TINY_UNET, inChannels, outChannels }, channels);
    return [found.channels, found.selfConditioning, found.learnedVariance];
  };
  assertEquals(of(1, 1), [1, false, false]);
  assertEquals(of(1, 2), [1, false, true]);
  assertEquals(of(2, 1), [1, true, false]);
  assertEquals(of(3, 6), [3, false, true]);
  assertEquals(of(2, 2), [2, false, false]);
  assertEquals(of(2, 2, 1), [1, true, true]);
  assertThrows(() => of(1, 3), UserError, "has 1 input and 3 output channels");
  assertThrows(() => of(3, 3, 1), UserError, "do not match images of 1");
});

Deno.test("describeNetwork() counts a DiT's null class and throws when it is for vectors", () => {
  const found = describeNetwork({ ...TINY_DIT, outChannels: 2, selfConditioning: true });
  assertEquals([found.height, found.width, found.channels], [4, 4, 1]);
  assertEquals([found.numClassEmbeds, found.selfConditioning, found.learnedVariance], [
    3,
    true,
    true,
  ]);
  assertThrows(() => describeNetwork({ ...TINY_DIT, patchSize: null }), UserError, "vectors");
});

Deno.test("compileImageDenoiser() passes the last guided estimate to both denoisers when guided", async () => {
  const config = { ...TINY_UNET, inChannels: 2, outChannels: 2 };
  const parameters = randomParameters(config);
  const schedule = noiseSchedule({ numTrainTimesteps: 20, predictionType: "v_prediction" });
  const [labels, nullClass, guidanceScale] = [Int32Array.of(1, 0), 2, 3];
  const denoiser = compileImageDenoiser(await openDevice("cpu"), { parameters, config }, 1);
  const guidance = { guidanceScale };
  const condition = { classLabels: labels, nullClass, guidance, x0Source: schedule };
  const denoise = denoiser.condition({ ...condition, keepVariance: true });
  const predict = denoiser.condition(condition);
  const x = randomStream(1).normal(32);

  // By hand with the UNet.
  await tf.setBackend("cpu");
  const direct = (estimate: Float32Array, timestep: number, classes: Int32Array) =>
    tf.tidy(() =>
      unet(constants(parameters), {
        x: tf.concat([tf.tensor4d(x, [2, 4, 4, 1]), tf.tensor4d(estimate, [2, 4, 4, 1])], -1),
        timesteps: tf.tensor1d([timestep, timestep]),
        classLabels: tf.tensor1d(classes, "int32"),
      }, config).dataSync()
    );
  const guided = (estimate: Float32Array, timestep: number) => {
    const [c, u] = [labels, new Int32Array(2).fill(nullClass)]
      .map((classes) => direct(estimate, timestep, classes)) as [Float32Array, Float32Array];
    // Channel 0 is the prediction, channel 1 the variance, which is not guided.
    return c.map((value, i) => i % 2 === 1 ? value : u[i]! + guidanceScale * (value - u[i]!));
  };
  const first = guided(new Float32Array(32), 15);
  const predictionOf = (output: Float32Array) => output.filter((_, i) => i % 2 === 0);
  const [p, q] = x0Coefficients("v_prediction", schedule.alphasCumprod[15]!);
  const estimate = predictionOf(first)
    .map((value, i) => Math.max(-1, Math.min(1, p * value + q * x[i]!)));
  const second = guided(estimate, 5);
  const close = { atol: 2e-5 };
  assertAllClose(await denoise(x, 15), first, close);
  assertAllClose(await denoise(x, 5), second, close);
  assertAllClose(await predict(x, 15), predictionOf(first), close);
  assertAllClose(await predict(x, 5), predictionOf(second), close);
  assertThrows(
    () => denoiser.condition({ classLabels: labels }),
    UserError,
    "needs x0Source",
  );
  await denoiser.dispose();
});

Deno.test("compileImageDenoiser() runs a DiT with the estimates of a flow", async () => {
  const config = { ...TINY_DIT, selfConditioning: true };
  const model = { parameters: dense(config), config };
  const denoiser = compileImageDenoiser(await openDevice("cpu"), model);
  const x = randomStream(2).normal(32);
  const classLabels = Int32Array.of(0, 1);
  const source = { classLabels, x0Source: flowX0Coefficients(100) };
  const plain = await denoiser.condition(source)(x, 40);
  const denoise = denoiser.condition(source);
  assertAllClose(await denoise(x, 90.5), await denoiser.condition(source)(x, 90.5));
  const shown = await denoise(x, 40);
  const moved = Math.max(...shown.map((value, i) => Math.abs(value - plain[i]!)));
  assertEquals(moved > 1e-3, true, `the estimate makes no difference: ${moved}`);
  await assertRejects(() => denoiser.condition(source)(x, 101), UserError, "timestep is 101");
  await denoiser.dispose();
});
