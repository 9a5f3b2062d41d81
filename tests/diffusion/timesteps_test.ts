import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  inferenceTimesteps,
  previousTimesteps,
  type TimestepOptions,
  type TimestepSpacing,
  timestepSpacings,
} from "../../diffusion/timesteps.ts";
import { UserError } from "../../engine/errors.ts";

Deno.test("inferenceTimesteps() has the published values for five steps of 1000", () => {
  const five = (timestepSpacing: TimestepSpacing, stepsOffset = 0) =>
    inferenceTimesteps(1000, { numInferenceSteps: 5, timestepSpacing, stepsOffset });
  assertEquals(five("leading"), [800, 600, 400, 200, 0]);
  assertEquals(five("leading", 1), [801, 601, 401, 201, 1]);
  assertEquals(five("linspace"), [999, 749, 500, 250, 0]); // 749.25, 499.5, 249.75
  assertEquals(five("trailing"), [999, 799, 599, 399, 199]);
});

Deno.test("inferenceTimesteps() rounds halves to even as numpy does", () => {
  // numpy.linspace(0, 5, 3).round() and numpy.round(numpy.arange(5, 0, -2.5)) - 1
  const of = (T: number, timestepSpacing: TimestepSpacing, numInferenceSteps: number) =>
    inferenceTimesteps(T, { timestepSpacing, numInferenceSteps });
  assertEquals(of(6, "linspace", 3), [5, 2, 0]);
  assertEquals(of(5, "trailing", 2), [4, 1]);
  // 1000 / 48 is no float: numpy's arange is a hair off the halves 937.5, 687.5, ..., 62.5.
  // deno-fmt-ignore
  assertEquals(of(1000, "trailing", 48), [
    999, 978, 957, 936, 916, 895, 874, 853, 832, 811, 791, 770, 749, 728, 707, 686, 666, 645,
    624, 603, 582, 561, 541, 520, 499, 478, 457, 436, 416, 395, 374, 353, 332, 311, 291, 270,
    249, 228, 207, 186, 166, 145, 124, 103, 82, 61, 41, 20]);
});

Deno.test("inferenceTimesteps() visits every timestep when no number of steps is given", () => {
  for (const timestepSpacing of timestepSpacings) {
    assertEquals(inferenceTimesteps(4, { timestepSpacing }), [3, 2, 1, 0]);
  }
});

Deno.test("inferenceTimesteps() gives S falling timesteps in range for any T and S", () => {
  const sizes = fc.integer({ min: 2, max: 2000 }).chain((T) =>
    fc.tuple(fc.constant(T), fc.integer({ min: 1, max: T }))
  );
  fc.assert(
    fc.property(sizes, fc.constantFrom(...timestepSpacings), ([T, S], timestepSpacing) => {
      const timesteps = inferenceTimesteps(T, { numInferenceSteps: S, timestepSpacing });
      assertEquals(timesteps.length, S);
      assert(timesteps.every((t, i) => Number.isInteger(t) && t >= 0 && !(t >= timesteps[i - 1]!)));
      assert(timesteps[0]! < T);
    }),
    { seed: 1, numRuns: 300 },
  );
});

Deno.test("inferenceTimesteps() takes custom timesteps as they are", () => {
  assertEquals(inferenceTimesteps(1000, { timesteps: [100, 87, 50, 1, 0] }), [100, 87, 50, 1, 0]);
});

Deno.test("inferenceTimesteps() refuses what no sampler could follow", () => {
  const refuses = (T: number, options: TimestepOptions, message: string) =>
    assertThrows(() => inferenceTimesteps(T, options), UserError, message);
  refuses(1, { timestepSpacing: "leading" }, "numTrainTimesteps is 1; it must be an integer of at");
  refuses(100, { numInferenceSteps: 101 }, "numInferenceSteps is 101, more than the 100 timesteps");
  refuses(100, { numInferenceSteps: 0 }, "numInferenceSteps is 0");
  refuses(100, { numInferenceSteps: 2.5 }, "numInferenceSteps is 2.5");
  refuses(100, { numInferenceSteps: NaN }, "numInferenceSteps is NaN");
  refuses(100, { timestepSpacing: "karras" as "leading" }, "one of leading, trailing, linspace");
  refuses(100, { stepsOffset: 1 }, "stepsOffset 1 moves the first timestep to 100");
  refuses(100, { stepsOffset: -1 }, "stepsOffset is -1");
  refuses(100, { timesteps: [] }, "timesteps is empty");
  refuses(100, { timesteps: [50, 60] }, "timesteps must fall, but timesteps[1] is 60 after 50");
  refuses(100, { timesteps: [50, 50] }, "timesteps must fall");
  refuses(100, { timesteps: [100, 0] }, "timesteps[0] is 100; it must be an integer from 0 to 99");
  refuses(100, { timesteps: [10, -1] }, "timesteps[1] is -1");
  refuses(100, { timesteps: [1], numInferenceSteps: 1 }, "give one of the two");
});

Deno.test("previousTimesteps() is the next of the list, then -1, when the rule is next", () => {
  assertEquals(previousTimesteps([100, 87, 50, 1, 0], 1000, "next"), [87, 50, 1, 0, -1]);
});

Deno.test("previousTimesteps() keeps one distance, list or not, when the rule is stride", () => {
  assertEquals(previousTimesteps([999, 666, 333, 0], 1000, "stride"), [749, 416, 83, -250]);
});

Deno.test("previousTimesteps() has two rules that agree on leading timesteps", () => {
  const sizes = fc.integer({ min: 2, max: 500 }).chain((T) =>
    fc.tuple(fc.constant(T), fc.integer({ min: 1, max: T }))
  );
  fc.assert(
    fc.property(sizes, ([T, S]) => {
      const timesteps = inferenceTimesteps(T, { numInferenceSteps: S });
      const stride = previousTimesteps(timesteps, T, "stride").map((t) => Math.max(t, -1));
      assertEquals(stride, previousTimesteps(timesteps, T, "next"));
    }),
    { seed: 1 },
  );
});
