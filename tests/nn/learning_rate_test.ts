import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import {
  LEARNING_RATE_SCHEDULES,
  learningRateAt,
  type LearningRateOptions,
} from "../../nn/learning_rate.ts";

const OPTIONS = { learningRate: 0.8, warmupSteps: 4, totalSteps: 12 } as const;

/** Rates at the steps 0 to `length` - 1. */
const rates = (options: LearningRateOptions, length: number) =>
  Array.from({ length }, (_, step) => learningRateAt(step, options));

Deno.test("learningRateAt() rises linearly from 0 when warming up", () => {
  for (const schedule of LEARNING_RATE_SCHEDULES) {
    const [first, second, third, fourth, fifth] = rates({ ...OPTIONS, schedule }, 5);
    assertEquals([first, fifth], [0, 0.8], schedule);
    assertAlmostEquals(second!, 0.2);
    assertAlmostEquals(third!, 0.4);
    assertAlmostEquals(fourth!, 0.6);
  }
});

Deno.test("learningRateAt() is constant when the schedule is constant", () => {
  assertEquals(rates({ ...OPTIONS, schedule: "constant" }, 20).slice(4), Array(16).fill(0.8));
});

Deno.test("learningRateAt() falls linearly to 0 when the schedule is linear", () => {
  const found = rates({ ...OPTIONS, schedule: "linear" }, 15);
  for (const [step, rate] of found.entries()) {
    // transformers' get_linear_schedule_with_warmup
    const expected = step < 4 ? step / 4 : Math.max(0, (12 - step) / (12 - 4));
    assertAlmostEquals(rate, 0.8 * expected, 1e-12, `step ${step}`);
  }
  assertEquals(found.slice(12), [0, 0, 0]);
});

Deno.test("learningRateAt() falls to 0 along half a cosine when the schedule is cosine", () => {
  const found = rates({ ...OPTIONS, schedule: "cosine" }, 15);
  assertAlmostEquals(found[6]!, 0.8 * (2 + Math.SQRT2) / 4, 1e-12);
  assertAlmostEquals(found[8]!, 0.4, 1e-12);
  assertAlmostEquals(found[10]!, 0.8 * (2 - Math.SQRT2) / 4, 1e-12);
  assert(found.slice(12).every((rate) => rate === 0), `${found.slice(12)}`);
  for (let step = 5; step <= 12; step++) assert(found[step]! < found[step - 1]!);
});

Deno.test("learningRateAt() starts at the highest rate when there is no warm-up", () => {
  for (const schedule of LEARNING_RATE_SCHEDULES) {
    assertEquals(learningRateAt(0, { ...OPTIONS, schedule, warmupSteps: 0 }), 0.8, schedule);
  }
});

Deno.test("learningRateAt() is finite when the warm-up is at least as long as the run", () => {
  for (const schedule of LEARNING_RATE_SCHEDULES) {
    for (const warmupSteps of [12, 20]) {
      const found = rates({ ...OPTIONS, schedule, warmupSteps }, 25);
      assert(found.every((rate) => rate >= 0 && rate <= 0.8), `${schedule}: ${found}`);
      assertAlmostEquals(found[11]!, 0.8 * 11 / warmupSteps);
    }
  }
});
