import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { qSample } from "../../diffusion/forward.ts";
import { trainingTarget } from "../../diffusion/parameterisation.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { UserError } from "../../base/errors.ts";
import { assertAllClose } from "../assert_close.ts";
import { fixtureJson, hasFixture } from "../fixtures.ts";

const schedule = noiseSchedule();

const velocity = noiseSchedule({ predictionType: "v_prediction" });

Deno.test(
  "qSample() and trainingTarget() agree with the reference when every example has its own t",
  {
    ignore: !hasFixture("schedules.json"),
  },
  async () => {
    const { forward } = await fixtureJson("schedules.json");
    const own = noiseSchedule({ numTrainTimesteps: forward.T, predictionType: "v_prediction" });
    const xt = qSample(own, forward.x0, forward.noise, forward.t);
    assertAllClose(xt, forward.x_t, { atol: 2e-6, rtol: 2e-6 });
    const v = trainingTarget(own, forward.x0, forward.noise, forward.t);
    assertAllClose(v, forward.velocity, { atol: 2e-6, rtol: 2e-6 });
  },
);

Deno.test("qSample() and trainingTarget() have the published values at t = 500", () => {
  assertAlmostEquals(qSample(schedule, [.5], [-.2], 500)[0]!, -.0526025761, 1e-8);
  assertAlmostEquals(trainingTarget(velocity, [.5], [-.2], 500)[0]!, -.5359411992, 1e-7);
});

Deno.test("qSample() is nearly clean at t = 0 and pure noise when the terminal SNR is zero", () => {
  const [x0, noise] = [[.5, -1, .25], [.1, .2, -3]];
  assertAllClose(qSample(schedule, x0, noise, 0), x0, { atol: .04 });
  const zero = noiseSchedule({ rescaleBetasZeroSnr: true });
  assertEquals(qSample(zero, x0, noise, 999), Float32Array.from(noise));
});

Deno.test("qSample() gives the same result for one t and for a list of equal t", () => {
  const x0 = Float32Array.of(.1, .2, .3, .4);
  const noise = Float32Array.of(-1, 1, 2, -2);
  assertEquals(qSample(schedule, x0, noise, 7), qSample(schedule, x0, noise, [7, 7]));
  assertEquals(x0, Float32Array.of(.1, .2, .3, .4));
});

Deno.test("qSample() throws when lengths do not match or a timestep is out of range", () => {
  const refuses = (x0: number[], noise: number[], t: number | number[], message: string) =>
    assertThrows(() => qSample(schedule, x0, noise, t), UserError, message);
  refuses([1, 2], [1], 0, "two batches of 2 and 1 numbers");
  refuses([1, 2, 3], [1, 2, 3], [0, 1], "3 numbers cannot be divided among 2 timesteps");
  refuses([1], [1], [], "among 0 timesteps");
  refuses([1], [1], 1000, "timestep is 1000; it must be an integer from 0 to 999");
  refuses([1], [1], -1, "timestep is -1");
  refuses([1], [1], .5, "timestep is 0.5");
});
