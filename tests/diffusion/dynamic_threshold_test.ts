import { assertThrows } from "@std/assert";
import { dynamicThreshold } from "../../diffusion/dynamic_threshold.ts";
import { UserError } from "../../base/errors.ts";
import { assertAllClose } from "../assert_close.ts";

/** A sample far outside of [-1, 1], one within, and one whose quantile is slightly above 1. */
// deno-fmt-ignore
const X0 = Float32Array.of(
  .1, -.2, 1.3, -2, 3,
  .5, -.5, .2, .9, -.99,
  1.1, -1.2, .3, 1.15, 0,
);
const within = [.5, -.5, .2, .9, -.99];
const slight = [.9482758621, -1, .2586206897, .9913793103, 0];

Deno.test("dynamicThreshold() has the values of diffusers' _threshold_sample", () => {
  // DDPMScheduler of diffusers 0.42 with dynamic_thresholding_ratio 0.8, float64.
  const threshold = (sampleMaxValue = Infinity) =>
    dynamicThreshold(X0, {
      sampleSize: 5,
      dynamicThresholdingRatio: .8,
      sampleMaxValue,
    });
  const free = [.04545454545, -.09090909091, .5909090909, -.9090909091, 1];
  assertAllClose(threshold(100), [...free, ...within, ...slight]);
  assertAllClose(threshold(), [...free, ...within, ...slight]);
  const capped = [.06666666667, -.1333333333, .8666666667, -1, 1];
  assertAllClose(threshold(1.5), [...capped, ...within, ...slight]);
  assertAllClose(threshold(1), [.1, -.2, 1, -1, 1, ...within, 1, -1, .3, 1, 0]); // clipping
});

Deno.test("dynamicThreshold() divides by the largest magnitude when the ratio is 1", () => {
  const values = dynamicThreshold(Float32Array.of(-4, 2, 1), {
    sampleSize: 3,
    dynamicThresholdingRatio: 1,
  });
  assertAllClose(values, [-1, .5, .25]);
});

Deno.test("dynamicThreshold() throws when a setting is out of range or samples are incomplete", () => {
  const threshold = (options: object) => () => dynamicThreshold(X0, { sampleSize: 5, ...options });
  assertThrows(threshold({ sampleSize: 4 }), UserError, "do not divide into samples of 4");
  assertThrows(threshold({ dynamicThresholdingRatio: 0 }), UserError, "dynamicThresholdingRatio");
  assertThrows(threshold({ sampleMaxValue: .5 }), UserError, "sampleMaxValue is 0.5");
});
