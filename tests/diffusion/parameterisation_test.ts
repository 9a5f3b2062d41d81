import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { qSample } from "../../diffusion/forward.ts";
import {
  epsilonCoefficients,
  trainingTarget,
  x0Coefficients,
} from "../../diffusion/parameterisation.ts";
import { noiseSchedule, type PredictionType, predictionTypes } from "../../diffusion/schedules.ts";
import { UserError } from "../../base/errors.ts";
import { assertAllClose } from "../assert_close.ts";

/** The x0 of a model's output for one number of x_t. */
function x0Of(type: PredictionType, alphaCumprod: number, output: number, xt: number): number {
  const [p, q] = x0Coefficients(type, alphaCumprod);
  return p * output + q * xt;
}

Deno.test("x0Coefficients() has the published value at t = 500", () => {
  const alphaCumprod = noiseSchedule().alphasCumprod[500]!;
  assertAlmostEquals(x0Of("epsilon", alphaCumprod, .1, .3), .7312784969, 1e-7);
});

Deno.test("x0Coefficients() and epsilonCoefficients() invert qSample() when given the target", () => {
  const pixel = fc.float({ min: -1, max: 1, noNaN: true });
  fc.assert(
    fc.property(
      fc.constantFrom(...predictionTypes),
      fc.array(fc.tuple(pixel, pixel, fc.integer({ min: 0, max: 99 })), { minLength: 1 }),
      (predictionType, rows) => {
        const schedule = noiseSchedule({ numTrainTimesteps: 100, predictionType, betaEnd: .1 });
        const [x0, noise, t] = [0, 1, 2].map((i) => rows.map((row) => row[i]!));
        const xt = qSample(schedule, x0!, noise!, t!);
        const output = trainingTarget(schedule, x0!, noise!, t!);
        const alphas = t!.map((timestep) => schedule.alphasCumprod[timestep]!);
        // x_t is rounded to float32, and a division by the smaller of its two factors magnifies the error.
        const tolerance = { atol: 1e-4, rtol: 0 };
        const predictedX0 = alphas.map((a, i) => x0Of(predictionType, a, output[i]!, xt[i]!));
        assertAllClose(predictedX0, x0!, tolerance);
        const epsilon = alphas.map((a, i) => {
          const [p, q] = epsilonCoefficients(predictionType, a);
          return p * output[i]! + q * xt[i]!;
        });
        assertAllClose(epsilon, noise!, tolerance);
      },
    ),
    { seed: 1 },
  );
});

Deno.test("trainingTarget() is the noise, the clean sample or the velocity", () => {
  const [x0, noise] = [Float32Array.of(.5, .25), Float32Array.of(-.25, 1)];
  const target = (predictionType: PredictionType) =>
    trainingTarget(noiseSchedule({ predictionType }), x0, noise, [500, 500]);
  assertEquals(target("epsilon"), noise);
  assertEquals(target("sample"), x0);
  const a = noiseSchedule().alphasCumprod[500]!;
  assertAllClose(target("v_prediction"), [
    -.25 * Math.sqrt(a) - .5 * Math.sqrt(1 - a),
    Math.sqrt(a) - .25 * Math.sqrt(1 - a),
  ]);
});

Deno.test("x0Coefficients() throws for epsilon alone when no signal is left", () => {
  const alphaCumprod = noiseSchedule({ rescaleBetasZeroSnr: true }).alphasCumprod[999]!;
  const x0 = (predictionType: PredictionType) => x0Of(predictionType, alphaCumprod, .25, .3);
  assertThrows(() => x0("epsilon"), UserError, "use predictionType v_prediction or sample");
  assertEquals(x0("v_prediction"), -.25); // v = -x0 there
  assertEquals(x0("sample"), .25);
});
