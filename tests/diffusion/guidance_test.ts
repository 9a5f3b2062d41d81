import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  classifierFreeGuidance,
  combineGuidance,
  guidanceInterval,
  rescaleGuidance,
} from "../../diffusion/guidance.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { UserError } from "../../base/errors.ts";
import { assertAllClose } from "../assert_close.ts";

const conditional = Float32Array.of(1, -2, .5);
const unconditional = Float32Array.of(.5, -1, .5);

Deno.test("combineGuidance() extrapolates from the unconditional to the conditional output", () => {
  const guided = (scale: number) => [...combineGuidance(conditional, unconditional, scale)];
  assertEquals(guided(0), [...unconditional]);
  assertEquals(guided(1), [...conditional]);
  assertEquals(guided(3), [2, -4, .5]);
  assertThrows(
    () => combineGuidance(conditional, new Float32Array(2), 2),
    UserError,
    "3 numbers, the unconditional one 2",
  );
});

/** A denoiser with a list of the timesteps that it was called with. */
function counted(output: Float32Array) {
  const calls: number[] = [];
  const denoise = (_: Float32Array, timestep: number) => {
    calls.push(timestep);
    return Promise.resolve(output);
  };
  return { calls, denoise };
}

Deno.test("classifierFreeGuidance() calls both denoisers with the same x when the scale is above 1", async () => {
  const [c, u] = [counted(conditional), counted(unconditional)];
  const guided = classifierFreeGuidance({
    conditional: c.denoise,
    unconditional: u.denoise,
    guidanceScale: 3,
  });
  assertEquals([...await guided(new Float32Array(3), 7)], [2, -4, .5]);
  assertEquals([c.calls, u.calls], [[7], [7]]);
});

Deno.test("classifierFreeGuidance() calls one denoiser when the scale is 0 or 1", async () => {
  for (const guidanceScale of [0, 1]) {
    const [c, u] = [counted(conditional), counted(unconditional)];
    const guided = classifierFreeGuidance({
      conditional: c.denoise,
      unconditional: u.denoise,
      guidanceScale,
    });
    assertEquals(await guided(new Float32Array(3), 7), [unconditional, conditional][guidanceScale]);
    assertEquals([u.calls.length, c.calls.length], [1 - guidanceScale, guidanceScale]);
  }
});

Deno.test("classifierFreeGuidance() throws when the scale is NaN or the outputs have different lengths", async () => {
  const [c, u] = [counted(conditional).denoise, counted(new Float32Array(1)).denoise];
  const guide = (guidanceScale: number) =>
    classifierFreeGuidance({ conditional: c, unconditional: u, guidanceScale });
  assertThrows(() => guide(NaN), UserError, "guidanceScale is NaN");
  await assertRejects(() => guide(2)(new Float32Array(3), 0), UserError, "both denoisers");
});

/** alphasCumprod 1/2, 1/5, 1/10, 1/17: sigmas 1, 2, 3, 4. */
const schedule = noiseSchedule({ trainedBetas: [1 / 2, 3 / 5, 1 / 2, 7 / 17] });

Deno.test("guidanceInterval() returns the timesteps whose sigmas are in (low, high]", () => {
  assertEquals(guidanceInterval(schedule, 1.5, 3.5), [1, 2]);
  assertEquals(guidanceInterval(schedule, 0, Infinity), [0, 3]);
  assertEquals(guidanceInterval(schedule, 3.5, 4.5), [3, 3]);
  assertEquals(guidanceInterval(schedule, 0, 1.5), [0, 0]);
});

Deno.test("guidanceInterval() has an infinite sigma when the terminal SNR is zero", () => {
  const zero = noiseSchedule({ rescaleBetasZeroSnr: true, predictionType: "v_prediction" });
  assertEquals(guidanceInterval(zero, 0, Infinity), [0, 999]);
  assertEquals(guidanceInterval(zero, 0, 1e9), [0, 998]);
});

Deno.test("guidanceInterval() throws when no timestep is between the bounds", () => {
  assertThrows(() => guidanceInterval(schedule, 2, 2), UserError, "2 to 2");
  assertThrows(() => guidanceInterval(schedule, -1, 2), UserError, "-1 to 2");
  assertThrows(() => guidanceInterval(schedule, NaN, 2), UserError, "NaN to 2");
  assertThrows(() => guidanceInterval(schedule, 2.2, 2.8), UserError, "no timestep");
  assertThrows(() => guidanceInterval(schedule, 5, 6), UserError, "no timestep");
});

Deno.test("classifierFreeGuidance() calls the unconditional denoiser within the interval only", async () => {
  const calls: number[] = [];
  const guided = classifierFreeGuidance({
    conditional: () => Promise.resolve(Float32Array.of(1)),
    unconditional: (_, t) => {
      calls.push(t);
      return Promise.resolve(Float32Array.of(0));
    },
    guidanceScale: 3,
    interval: [2, 5],
  });
  const values = [];
  for (let t = 7; t >= 0; t--) values.push((await guided(new Float32Array(1), t))[0]);
  assertEquals(values, [1, 1, 3, 3, 3, 3, 1, 1]);
  assertEquals(calls, [5, 4, 3, 2]);
});

/** Two samples of four numbers. */
const GUIDED = Float32Array.of(1, -2, 3, .5, 4, -4, 2, 6);
const CONDITIONAL = Float32Array.of(.5, -1, 1, 0, 1, -1, 0, 2);

Deno.test("rescaleGuidance() has the values of diffusers' rescale_noise_cfg", () => {
  // diffusers 0.42, pipelines/stable_diffusion, float64.
  const rescaled = (options: { guidanceRescale?: number }) =>
    rescaleGuidance(GUIDED, CONDITIONAL, { sampleSize: 4, ...options });
  // deno-fmt-ignore
  assertAllClose(rescaled({}), [
    .5906591795, -1.181318359, 1.771977538, .2953295897,
    2.036660027, -2.036660027, 1.018330013, 3.05499004,
  ]);
  // deno-fmt-ignore
  assertAllClose(rescaled({ guidanceRescale: 1 }), [
    .4152273993, -.8304547985, 1.245682198, .2076136996,
    1.195228609, -1.195228609, .5976143047, 1.792842914,
  ]);
  assertEquals(rescaled({ guidanceRescale: 0 }), GUIDED);
});

Deno.test("rescaleGuidance() does not change a sample when it is constant", () => {
  const flat = new Float32Array(4).fill(.5);
  assertEquals(rescaleGuidance(flat, CONDITIONAL.slice(0, 4), { sampleSize: 4 }), flat);
});

Deno.test("rescaleGuidance() throws when lengths do not match or the rescale is out of range", () => {
  const rescale = (options: object) => () =>
    rescaleGuidance(GUIDED, CONDITIONAL, { sampleSize: 4, ...options });
  assertThrows(rescale({ guidanceRescale: 1.1 }), UserError, "guidanceRescale is 1.1");
  assertThrows(rescale({ sampleSize: 3 }), UserError, "samples of 3 elements");
  assertThrows(
    () => rescaleGuidance(GUIDED, CONDITIONAL.slice(1), { sampleSize: 4 }),
    UserError,
    "the conditional one 7",
  );
});

Deno.test("classifierFreeGuidance() rescales each sample when guidanceRescale is set", async () => {
  const unconditional = CONDITIONAL.map((c, i) => c - (GUIDED[i]! - c)); // a scale of 2 gives GUIDED
  const denoise = (output: Float32Array) => () => Promise.resolve(output);
  const both = { conditional: denoise(CONDITIONAL), unconditional: denoise(unconditional) };
  const guide = classifierFreeGuidance({
    ...both,
    guidanceScale: 2,
    guidanceRescale: .7,
    sampleSize: 4,
  });
  const result = await guide(new Float32Array(8), 3);
  assertAllClose(result, rescaleGuidance(GUIDED, CONDITIONAL, { sampleSize: 4 }));
  assertThrows(
    () => classifierFreeGuidance({ ...both, guidanceScale: 2, guidanceRescale: .7 }),
    UserError,
    "needs sampleSize",
  );
});
