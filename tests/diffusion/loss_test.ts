import { assertEquals, assertThrows } from "@std/assert";
import {
  elementwiseLoss,
  type ElementwiseLossOptions,
  minSnrWeights,
  p2Weights,
  snr,
  timestepQuartile,
} from "../../diffusion/loss.ts";
import { noiseSchedule } from "../../diffusion/schedules.ts";
import { openDevice } from "../../engine/device.ts";
import { UserError } from "../../base/errors.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import { assertAllClose } from "../assert_close.ts";

const at = (values: Float64Array, ...timesteps: number[]) => timesteps.map((t) => values[t]!);

Deno.test("snr() has the published values when linear", () => {
  const expected = [9999, 4546.35766, .0843595494, 4.03599265e-5];
  assertAllClose(at(snr(noiseSchedule()), 0, 1, 500, 999), expected, { atol: 0, rtol: 1e-8 });
});

Deno.test("minSnrWeights() has the published values for gamma 5", () => {
  const [eps, v] = [noiseSchedule(), noiseSchedule({ predictionType: "v_prediction" })];
  assertAllClose(at(minSnrWeights(eps), 0, 100, 500, 999), [5.0005e-4, .585708508, 1, 1], {
    atol: 0,
    rtol: 1e-8,
  });
  assertAllClose(
    at(minSnrWeights(v), 0, 100, 500, 999),
    [5e-4, .524292046, .0777966584, 4.03582977e-5],
    { atol: 0, rtol: 1e-8 },
  );
});

Deno.test("minSnrWeights() is min(SNR, gamma) when x0 is predicted", () => {
  const ratio = snr(noiseSchedule());
  const weights = minSnrWeights(noiseSchedule({ predictionType: "sample" }), { gamma: 2 });
  assertAllClose(weights, ratio.map((value) => Math.min(value, 2)));
});

Deno.test("minSnrWeights() is finite when the terminal SNR is zero", () => {
  const last = (predictionType: "epsilon" | "sample" | "v_prediction") =>
    minSnrWeights(noiseSchedule({ rescaleBetasZeroSnr: true, predictionType })).at(-1);
  assertEquals([last("epsilon"), last("sample"), last("v_prediction")], [1, 0, 0]);
});

Deno.test("minSnrWeights() throws when gamma is not positive", () => {
  assertThrows(() => minSnrWeights(noiseSchedule(), { gamma: 0 }), UserError, "gamma is 0");
  assertThrows(() => minSnrWeights(noiseSchedule(), { gamma: NaN }), UserError, "gamma is NaN");
});

Deno.test("p2Weights() has the values of Choi et al.'s formula", () => {
  // 1 / (k + SNR)^gamma in numpy, and the same for the squared errors of v and x0.
  const weights = (predictionType: "epsilon" | "sample" | "v_prediction", options = {}) =>
    at(p2Weights(noiseSchedule({ predictionType }), options), 0, 100, 500, 999);
  const close = { atol: 0, rtol: 1e-9 };
  assertAllClose(weights("epsilon"), [1e-4, .104858409102, .922203341635, .999959641702], close);
  assertAllClose(
    weights("epsilon", { gamma: .5, k: 2 }),
    [.0099995000375, .308069227426, .692649750036, .7070996466],
    close,
  );
  assertAllClose(
    weights("v_prediction"),
    [9.999e-5, .093863123143, .0717443383123, 4.03566688616e-5],
    close,
  );
  assertAllClose(
    weights("sample"),
    [.9999, .895141590898, .077796658365, 4.03582976538e-5],
    close,
  );
  assertEquals(new Set(p2Weights(noiseSchedule(), { gamma: 0 })), new Set([1]));
  assertThrows(() => p2Weights(noiseSchedule(), { gamma: -1 }), UserError, "gamma is -1");
  assertThrows(() => p2Weights(noiseSchedule(), { k: 0 }), UserError, "k is 0");
});

Deno.test("timestepQuartile() divides the timesteps into four parts when 4 does not divide T", () => {
  const quartiles = (T: number) => Array.from({ length: T }, (_, t) => timestepQuartile(t, T));
  assertEquals(quartiles(8), [0, 0, 1, 1, 2, 2, 3, 3]);
  assertEquals(quartiles(10), [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]);
  assertThrows(() => timestepQuartile(10, 10), UserError, "timestep is 10");
});

const output = float32([0, .5, 2, -3]);
const target = float32([.25, .5, .5, 1]);

async function losses(options?: ElementwiseLossOptions): Promise<Float32Array> {
  const run = (await openDevice("cpu")).compile<
    Record<"output" | "target", HostArray>,
    { loss: HostArray }
  >(({ output, target }) => ({ loss: elementwiseLoss(output, target, options) }));
  const { loss } = await run({ output, target });
  await run.dispose();
  return loss.data as Float32Array;
}

Deno.test("elementwiseLoss() has torch's values", async () => {
  assertAllClose(await losses(), [.0625, 0, 2.25, 16]);
  assertAllClose(await losses({ lossType: "l1" }), [.25, 0, 1.5, 4]);
  // torch.nn.functional.huber_loss of torch 2.15 with delta 0.5 and 1; smooth_l1_loss with beta 0.5.
  const huber = await losses({ lossType: "huber", huberDelta: .5 });
  assertAllClose(huber, [.03125, 0, .625, 1.875]);
  assertAllClose(huber.map((loss) => loss / .5), [.0625, 0, 1.25, 3.75]);
  assertAllClose(await losses({ lossType: "huber" }), [.03125, 0, 1, 3.5]);
});

Deno.test("elementwiseLoss() throws when the name is unknown or huberDelta is not positive", () => {
  const loss = (options: object) => () =>
    tf.tidy(() => elementwiseLoss(tf.zeros([1]), tf.zeros([1]), options));
  assertThrows(loss({ lossType: "l2" }), UserError, 'lossType is "l2"; it must be one of mse');
  assertThrows(loss({ lossType: "huber", huberDelta: 0 }), UserError, "huberDelta is 0");
});
