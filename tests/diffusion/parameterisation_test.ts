import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { qSample, velocity } from "../../diffusion/forward.ts";
import {
  predictEpsilon,
  predictVelocity,
  predictX0,
  trainingTarget,
} from "../../diffusion/parameterisation.ts";
import { noiseSchedule, predictionTypes } from "../../diffusion/schedules.ts";
import { UserError } from "../../base/errors.ts";
import { assertAllClose } from "../assert_close.ts";

Deno.test("predictX0() has the published value at t = 500", () => {
  const [x0] = predictX0(noiseSchedule(), [.1], [.3], 500);
  assertAlmostEquals(x0!, .7312784969, 1e-7);
});

Deno.test("predictX0(), predictEpsilon() and predictVelocity() undo qSample() when given the target", () => {
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
        // x_t is rounded to float32, which a division by the smaller of its two parts magnifies.
        const tolerance = { atol: 1e-4, rtol: 0 };
        assertAllClose(predictX0(schedule, output, xt, t!), x0!, tolerance);
        assertAllClose(predictEpsilon(schedule, output, xt, t!), noise!, tolerance);
        const v = velocity(schedule, x0!, noise!, t!);
        assertAllClose(predictVelocity(schedule, output, xt, t!), v, tolerance);
      },
    ),
    { seed: 1 },
  );
});

Deno.test("trainingTarget() is the noise, the clean sample or the velocity", () => {
  const [x0, noise] = [Float32Array.of(.5, .25), Float32Array.of(-.25, 1)];
  const target = (predictionType: typeof predictionTypes[number]) =>
    trainingTarget(noiseSchedule({ predictionType }), x0, noise, [500, 500]);
  assertEquals(target("epsilon"), noise);
  assertEquals(target("sample"), x0);
  const a = noiseSchedule().alphasCumprod[500]!;
  assertAllClose(target("v_prediction"), [
    -.25 * Math.sqrt(a) - .5 * Math.sqrt(1 - a),
    Math.sqrt(a) - .25 * Math.sqrt(1 - a),
  ]);
});

Deno.test("predictX0() takes the output for what it is told when that is not the schedule's", () => {
  const schedule = noiseSchedule({ predictionType: "v_prediction" });
  assertEquals(
    predictX0(schedule, [.1], [.3], 500, "epsilon"),
    predictX0(noiseSchedule(), [.1], [.3], 500),
  );
});

Deno.test("predictX0() refuses epsilon but takes the others where nothing is left of the signal", () => {
  const config = { rescaleBetasZeroSnr: true };
  const x0 = (predictionType: typeof predictionTypes[number]) =>
    predictX0(noiseSchedule({ ...config, predictionType }), [.25], [.3], 999);
  assertThrows(() => x0("epsilon"), UserError, "use predictionType v_prediction or sample");
  assertEquals([...x0("v_prediction")], [-.25]); // v = -x0 there
  assertEquals([...x0("sample")], [.25]);
});
