import { assertEquals, assertThrows } from "@std/assert";
import { classifierFreeGuidance, guidanceInterval } from "../../diffusion/guidance.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { UserError } from "../../base/errors.ts";

/** alphasCumprod 1/2, 1/5, 1/10, 1/17: sigmas 1, 2, 3, 4. */
const schedule = noiseSchedule({ trainedBetas: [1 / 2, 3 / 5, 1 / 2, 7 / 17] });

Deno.test("guidanceInterval() is the timesteps whose sigmas lie in (low, high]", () => {
  assertEquals(guidanceInterval(schedule, 1.5, 3.5), [1, 2]);
  assertEquals(guidanceInterval(schedule, 0, Infinity), [0, 3]);
  assertEquals(guidanceInterval(schedule, 3.5, 4.5), [3, 3]);
  assertEquals(guidanceInterval(schedule, 0, 1.5), [0, 0]);
});

Deno.test("guidanceInterval() takes a last timestep without signal as one of infinite sigma", () => {
  const zero = noiseSchedule({ rescaleBetasZeroSnr: true, predictionType: "v_prediction" });
  assertEquals(guidanceInterval(zero, 0, Infinity), [0, 999]);
  assertEquals(guidanceInterval(zero, 0, 1e9), [0, 998]);
});

Deno.test("guidanceInterval() refuses bounds that hold no timestep", () => {
  assertThrows(() => guidanceInterval(schedule, 2, 2), UserError, "2 to 2");
  assertThrows(() => guidanceInterval(schedule, -1, 2), UserError, "-1 to 2");
  assertThrows(() => guidanceInterval(schedule, NaN, 2), UserError, "NaN to 2");
  assertThrows(() => guidanceInterval(schedule, 2.2, 2.8), UserError, "no timestep");
  assertThrows(() => guidanceInterval(schedule, 5, 6), UserError, "no timestep");
});

Deno.test("classifierFreeGuidance() asks for the unconditional output within the interval alone", async () => {
  const asked: number[] = [];
  const guided = classifierFreeGuidance({
    conditional: () => Promise.resolve(Float32Array.of(1)),
    unconditional: (_, t) => {
      asked.push(t);
      return Promise.resolve(Float32Array.of(0));
    },
    ...{ guidanceScale: 3, interval: [2, 5] },
  });
  const values = [];
  for (let t = 7; t >= 0; t--) values.push((await guided(new Float32Array(1), t))[0]);
  assertEquals(values, [1, 1, 3, 3, 3, 3, 1, 1]);
  assertEquals(asked, [5, 4, 3, 2]);
});
