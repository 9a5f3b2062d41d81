import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  latentLogSnr,
  latentNoiseSchedule,
  type LatentSchedule,
  latentSchedules,
} from "../../../text/denoiser/schedules.ts";
import { alphaCumprodOfLogSnr } from "../../../diffusion/schedules.ts";
import { UserError } from "../../../base/errors.ts";
import { assertAllClose } from "../../assert_close.ts";

const TIMES = [.25, .5, .75];

const alphaCumprod = (...args: Parameters<typeof latentLogSnr>) =>
  alphaCumprodOfLogSnr(latentLogSnr(...args));

Deno.test("latentLogSnr() has PLANNER's alphas when cosine or linear", () => {
  // Its v-diffusion schedules "alpha" and "beta" in Python, to seven digits.
  const known: [LatentSchedule, number[]][] = [
    ["cosine", [.8535534, .5, .1464466]],
    ["linear", [.5352079, .0820768, .0036062]],
  ];
  for (const [name, values] of known) {
    const found = TIMES.map((time) => alphaCumprod(name, time));
    assertAllClose(found, values, { atol: 5e-8, rtol: 0 });
  }
});

Deno.test("latentLogSnr() has the alphas of Diffusion-LM when sqrt, of TEncDM when tan_d", () => {
  for (const time of [.01, ...TIMES, .99]) {
    assertAlmostEquals(alphaCumprod("sqrt", time), 1 - Math.sqrt(time + 1e-4), 1e-14);
    for (const tanD of [1, 5 / 7, 9]) {
      const tan = Math.tan(time * Math.PI / 2);
      const expected = 1 / (1 + tanD ** 2 * tan ** 2);
      assertAlmostEquals(alphaCumprod("tan_d", time, { tanD }), expected, 1e-14);
    }
  }
  assertAlmostEquals(alphaCumprod("tan_d", .5), 1 / 82, 1e-15);
});

Deno.test("latentLogSnr() is shifted by noiseShift, and tan_d is a shifted cosine", () => {
  for (const name of latentSchedules) {
    const shifted = latentLogSnr(name, .3, { noiseShift: -1.25 });
    assertAlmostEquals(shifted, latentLogSnr(name, .3) - 1.25, 1e-12);
  }
  const cosine = latentLogSnr("cosine", .3, { noiseShift: -2 * Math.log(7) });
  assertAlmostEquals(cosine, latentLogSnr("tan_d", .3, { tanD: 7 }), 1e-12);
});

Deno.test("latentNoiseSchedule() has each time step at the centre of its interval", () => {
  for (const name of latentSchedules) {
    const { alphasCumprod, predictionType } = latentNoiseSchedule(name, {
      numTrainTimesteps: 1000,
      predictionType: "v_prediction",
    });
    assertAllClose(
      [0, 1, 250, 500, 998, 999].map((t) => alphasCumprod[t]!),
      [.0005, .0015, .2505, .5005, .9985, .9995].map((time) => alphaCumprod(name, time)),
      { atol: 1e-13, rtol: 1e-9 },
    );
    assertEquals(predictionType, "v_prediction");
  }
});

Deno.test("latentLogSnr() refuses values out of range", () => {
  const refused = [
    () => latentLogSnr("cosine", 0),
    () => latentLogSnr("cosine", 1),
    () => latentLogSnr("cosine", NaN),
    () => latentLogSnr("sqrt", .99991),
    () => latentLogSnr("tan_d", .5, { tanD: 0 }),
    () => latentLogSnr("cosine", .5, { noiseShift: Infinity }),
    () => latentLogSnr("cosin" as LatentSchedule, .5),
    () => latentNoiseSchedule("sqrt", { numTrainTimesteps: 10_000 }),
    () => latentNoiseSchedule("cosine", { numTrainTimesteps: 1 }),
  ];
  for (const call of refused) assertThrows(call, UserError);
});
