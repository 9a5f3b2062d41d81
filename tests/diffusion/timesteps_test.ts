import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  continuousTimesteps,
  inferenceTimesteps,
  previousTimesteps,
  quadraticTimesteps,
  respacedTimesteps,
  solverTimesteps,
  type TimestepOptions,
  type TimestepSpacing,
  timestepSpacings,
} from "../../diffusion/timesteps.ts";
import { UserError } from "../../base/errors.ts";

Deno.test("inferenceTimesteps() has the published values for five steps of 1000", () => {
  const five = (timestepSpacing: TimestepSpacing, stepsOffset = 0) =>
    inferenceTimesteps(1000, { numInferenceSteps: 5, timestepSpacing, stepsOffset });
  assertEquals(five("leading"), [800, 600, 400, 200, 0]);
  assertEquals(five("leading", 1), [801, 601, 401, 201, 1]);
  assertEquals(five("linspace"), [999, 749, 500, 250, 0]); // 749.25, 499.5, 249.75
  assertEquals(five("trailing"), [999, 799, 599, 399, 199]);
});

Deno.test("inferenceTimesteps() rounds halves to even, as numpy does", () => {
  // numpy.linspace(0, 5, 3).round() and numpy.round(numpy.arange(5, 0, -2.5)) - 1
  const of = (T: number, timestepSpacing: TimestepSpacing, numInferenceSteps: number) =>
    inferenceTimesteps(T, { timestepSpacing, numInferenceSteps });
  assertEquals(of(6, "linspace", 3), [5, 2, 0]);
  assertEquals(of(5, "trailing", 2), [4, 1]);
  // 1000 / 48 is not exact: numpy's arange misses the halves 937.5, 687.5, ..., 62.5 by rounding errors.
  // deno-fmt-ignore
  assertEquals(of(1000, "trailing", 48), [
    999, 978, 957, 936, 916, 895, 874, 853, 832, 811, 791, 770, 749, 728, 707, 686, 666, 645,
    624, 603, 582, 561, 541, 520, 499, 478, 457, 436, 416, 395, 374, 353, 332, 311, 291, 270,
    249, 228, 207, 186, 166, 145, 124, 103, 82, 61, 41, 20]);
});

Deno.test("inferenceTimesteps() returns every timestep when no number of steps is given", () => {
  for (const timestepSpacing of timestepSpacings) {
    assertEquals(inferenceTimesteps(4, { timestepSpacing }), [3, 2, 1, 0]);
  }
});

Deno.test("inferenceTimesteps() returns S falling timesteps in range for all T and S", () => {
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

Deno.test("inferenceTimesteps() returns custom timesteps unchanged", () => {
  assertEquals(inferenceTimesteps(1000, { timesteps: [100, 87, 50, 1, 0] }), [100, 87, 50, 1, 0]);
});

Deno.test("inferenceTimesteps() throws when an option is out of range or timesteps do not fall", () => {
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

Deno.test("previousTimesteps() returns the next timesteps and -1 when the rule is next", () => {
  assertEquals(previousTimesteps([100, 87, 50, 1, 0], 1000, "next"), [87, 50, 1, 0, -1]);
});

Deno.test("previousTimesteps() subtracts T / S when the rule is stride, and ends clean", () => {
  assertEquals(previousTimesteps([999, 666, 333, 0], 1000, "stride"), [749, 416, 83, -1]);
  const trailing = inferenceTimesteps(1000, { numInferenceSteps: 13, timestepSpacing: "trailing" });
  assertEquals(previousTimesteps(trailing, 1000, "stride").at(-1), -1); // 76 - 76 would be noisy
});

Deno.test("a single step starts at T - 1 with every spacing of every sampler", () => {
  for (const choose of [inferenceTimesteps, solverTimesteps, continuousTimesteps]) {
    for (const timestepSpacing of timestepSpacings) {
      assertEquals(choose(1000, { numInferenceSteps: 1, timestepSpacing, stepsOffset: 1 }), [999]);
    }
  }
});

Deno.test("previousTimesteps() agrees for both rules when the timesteps are leading", () => {
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

Deno.test("solverTimesteps() has the published values for ten steps of 1000", () => {
  const ten = [999, 899, 799, 699, 599, 500, 400, 300, 200, 100];
  assertEquals(solverTimesteps(1000, { numInferenceSteps: 10 }), ten);
  // DPMSolverMultistepScheduler(timestep_spacing=..., steps_offset=1).set_timesteps(5)
  const five = (timestepSpacing: TimestepSpacing) =>
    solverTimesteps(1000, { numInferenceSteps: 5, timestepSpacing, stepsOffset: 1 });
  assertEquals(five("leading"), [831, 665, 499, 333, 167]);
  assertEquals(five("trailing"), [999, 799, 599, 399, 199]);
});

Deno.test("continuousTimesteps() does not round to integers when the spacing is linspace", () => {
  // EulerDiscreteScheduler(num_train_timesteps=300).set_timesteps(8), float32
  const eight = [299, 256.2857, 213.5714, 170.8571, 128.1429, 85.4286, 42.7143, 0];
  const own = continuousTimesteps(300, { numInferenceSteps: 8 });
  own.forEach((timestep, i) => assertAlmostEquals(timestep, eight[i]!, 5e-5));
  assertEquals(own, own.map(Math.fround));
  const leading = { numInferenceSteps: 5, timestepSpacing: "leading" } as const;
  assertEquals(continuousTimesteps(1000, leading), [800, 600, 400, 200, 0]);
});

Deno.test("solverTimesteps() and continuousTimesteps() fall within range for all T and S", () => {
  const sizes = fc.integer({ min: 2, max: 2000 }).chain((T) =>
    fc.tuple(fc.constant(T), fc.integer({ min: 1, max: T }))
  );
  fc.assert(
    fc.property(sizes, fc.constantFrom(...timestepSpacings), ([T, S], timestepSpacing) => {
      for (const choose of [solverTimesteps, continuousTimesteps]) {
        const timesteps = choose(T, { numInferenceSteps: S, timestepSpacing });
        assertEquals(timesteps.length, S);
        assert(timesteps.every((t, i) => t >= 0 && !(t >= timesteps[i - 1]!)));
        assert(timesteps[0]! < T);
      }
    }),
    { seed: 1, numRuns: 300 },
  );
  assertThrows(() => solverTimesteps(1), UserError, "numTrainTimesteps is 1");
  assertThrows(
    () => continuousTimesteps(9, { numInferenceSteps: 10 }),
    UserError,
    "more than the 9",
  );
});

Deno.test("respacedTimesteps() has the published values", () => {
  // deno-fmt-ignore
  const sections = [
    0, 11, 22, 33, 44, 55, 66, 77, 88, 99,
    100, 107, 114, 121, 128, 135, 142, 149, 157, 164, 171, 178, 185, 192, 199,
    200, 205, 210, 216, 221, 226, 231, 236, 242, 247, 252, 257, 263, 268, 273, 278, 283, 289, 294,
    299];
  assertEquals(respacedTimesteps(300, "10,15,20"), sections.toReversed());
  assertEquals(respacedTimesteps(300, [10, 15, 20]), sections.toReversed());
  const ten = [0, 111, 222, 333, 444, 555, 666, 777, 888, 999];
  assertEquals(respacedTimesteps(1000, "10"), ten.toReversed());
  const fifty = Array.from({ length: 50 }, (_, i) => 980 - 20 * i);
  assertEquals(respacedTimesteps(1000, "ddim50"), fifty);
  assertEquals(respacedTimesteps(10, [1, 1]), [5, 0]);
});

Deno.test("respacedTimesteps() rounds halves to even and gives the remainder to the first sections", () => {
  assertEquals(respacedTimesteps(6, [3]), [5, 2, 0]); // 2.5
  assertEquals(respacedTimesteps(7, [2, 2, 2]), [6, 5, 4, 3, 2, 0]); // sections of 3, 2, 2
});

Deno.test("respacedTimesteps() falls for all sections", () => {
  const any = fc.integer({ min: 1, max: 5 }).chain((sections) =>
    fc.tuple(
      fc.integer({ min: sections * 10, max: 1000 }),
      fc.array(fc.integer({ min: 1, max: 10 }), { minLength: sections, maxLength: sections }),
    )
  );
  fc.assert(
    fc.property(any, ([T, counts]) => {
      const timesteps = respacedTimesteps(T, counts);
      assertEquals(timesteps.length, counts.reduce((sum, count) => sum + count));
      assertEquals(inferenceTimesteps(T, { timesteps }), timesteps);
    }),
    { seed: 1 },
  );
});

Deno.test("respacedTimesteps() throws when the sections are invalid", () => {
  const refuses = (T: number, sections: string | number[], message: string) =>
    assertThrows(() => respacedTimesteps(T, sections), UserError, message);
  refuses(1000, "ddim300", "no integer stride gives 300 of 1000 timesteps");
  refuses(1000, "ddim", "the number after ddim is NaN");
  refuses(1000, "10,x", "sections[1] is NaN");
  refuses(1000, "", "sections[0] is NaN");
  refuses(1000, [], "sections is empty");
  refuses(10, [6, 1], "sections[0] is 6; it must be an integer from 1 to 5");
  refuses(10, [0], "sections[0] is 0");
  refuses(1, "1", "numTrainTimesteps is 1");
});

Deno.test("quadraticTimesteps() has the published values", () => {
  const ten = [0, 9, 39, 88, 158, 246, 355, 483, 632, 800];
  assertEquals(quadraticTimesteps(1000, 10), ten.toReversed());
  // (numpy.linspace(0, numpy.sqrt(800), 50) ** 2).astype(int) begins with 0, 0, 1, 2, 5, 8.
  const fifty = quadraticTimesteps(1000, 50);
  assertEquals(fifty.slice(-5), [8, 5, 2, 1, 0]);
  assertEquals([fifty.length, fifty[0]], [49, 800]);
  assertThrows(() => quadraticTimesteps(1000, 1), UserError, "numInferenceSteps is 1");
});
