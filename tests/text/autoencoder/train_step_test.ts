import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { type Device, openDevice } from "../../../engine/device.ts";
import { float32, type HostArray, int32 } from "../../../engine/tree.ts";
import { type HostParameters, initParameters, unravel } from "../../../nn/parameters.ts";
import { randomStream } from "../../../nn/random.ts";
import { type TextBatch, textBatchParts } from "../../../text/autoencoder/batch_parts.ts";
import { compileTrainStep, type TrainStepOptions } from "../../../training/step.ts";
import { copyState } from "../../training/states.ts";
import { rateOfParameter } from "../../../text/config.ts";
import { textVaeSpecs } from "../../../vae/text_vae.ts";
import { type TextVaeBatch, textVaeLoss } from "../../../vae/text_vae_loss.ts";
import { assertAllClose } from "../../assert_close.ts";
import { tinyTextVae } from "../../vae/tiny_text_vae.ts";

const CONFIG = tinyTextVae();
const SPECS = textVaeSpecs(CONFIG);
const [ROWS, LENGTH] = [16, 8];

/** Texts of 1 to 6 tokens, the shorter ones first, so that parts of a batch have different numbers of them. */
function textBatch(): TextBatch & { labels: HostArray } {
  const random = randomStream(5);
  const ids = () => random.stream("ids").integers(ROWS * LENGTH, 4, 20);
  const cut = (beyond: number) =>
    ids().map((id, i) =>
      i % LENGTH < 1 + Math.floor(6 * Math.floor(i / LENGTH) / ROWS) ? id : beyond
    );
  const shape = [ROWS, LENGTH];
  return {
    inputIds: int32(cut(0), shape),
    attentionMask: int32(cut(0).map((id) => Math.min(id, 1)), shape),
    decoderInputIds: int32(ids(), shape),
    labels: int32(cut(-100), shape),
    noise: float32(random.stream("noise").normal(ROWS * 4 * 6), [ROWS, 4, 6]),
  };
}

/** The autoencoder's training step. */
function compileTextStep(
  device: Device,
  options: Pick<TrainStepOptions<TextBatch>, "optimizer" | "rateOf" | "ema">,
) {
  return compileTrainStep<TextBatch, "reconstruction" | "divergence">(device, {
    ...options,
    specs: SPECS,
    loss: (parameters, given) =>
      textVaeLoss(parameters, given as unknown as TextVaeBatch, CONFIG, { beta: 0.05 }),
  });
}

/** The parameters after steps with a batch or its parts, and the result of the last step. */
async function trained(
  batch: TextBatch | readonly TextBatch[],
  { steps = 1, rateOf, maxGradNorm = 1 }: {
    steps?: number;
    rateOf?: (name: string) => number;
    maxGradNorm?: number;
  } = {},
) {
  const device = await openDevice("cpu");
  const optimizer = { maxGradNorm, weightDecay: 0.1, epsilon: 1e-3 };
  const step = compileTextStep(device, { optimizer, rateOf });
  let state = step.start(initial());
  for (let i = 1; i < steps; i++) ({ state } = await step(state, batch, at(i)));
  const result = await step(state, batch, at(steps));
  await step.dispose();
  const { parameters, ema } = result.state;
  return { ...result, parameters: unravel(parameters, SPECS), ema: unravel(ema, SPECS) };
}

const at = (step: number) => ({ step, learningRate: 0.01, emaDecay: 0.5 });
const initial = (): HostParameters => initParameters(SPECS, randomStream(0));

Deno.test("compileTrainStep() with two parts of 8 takes the step of a batch of 16", async () => {
  const batch = textBatch();
  const parts = textBatchParts(batch, 2);
  const shares = parts.map((part) => part["tokenShare"]!.data[0]!);
  assert(Math.abs(shares[0]! - shares[1]!) > 0.01, "the parts have different numbers of tokens");
  const [whole, accumulated] = [await trained(batch), await trained(parts)];
  assertAlmostEquals(accumulated.loss, whole.loss, 1e-6 * whole.loss);
  assertAlmostEquals(accumulated.gradNorm, whole.gradNorm, 1e-6 * whole.gradNorm);
  for (const name of ["reconstruction", "divergence"] as const) {
    const [found, expected] = [accumulated, whole].map(({ figures }) => figures[name].data[0]!);
    assertAlmostEquals(found!, expected!, 1e-6 * expected!, name);
  }
  const close = { atol: 1e-6, rtol: 1e-6 };
  for (const [name, { data }] of Object.entries(whole.parameters)) {
    assertAllClose(accumulated.parameters[name]!.data, data, { ...close, message: name });
  }
});

const FROZEN = {
  encoder: /^encoder\./,
  decoder: /^decoder\./,
  latents: /^(encoder|vae\.mean|vae\.log_variance)\./,
};
for (const [freeze, names] of Object.entries(FROZEN) as [keyof typeof FROZEN, RegExp][]) {
  Deno.test(`compileTrainStep() leaves the parameters unchanged that --freeze ${freeze} names`, async () => {
    const rateOf = rateOfParameter({ freeze, learningRate: 0.01 });
    const { parameters, ema, state, gradNorm } = await trained(textBatch(), { steps: 3, rateOf });
    const optimizer = unravel(state.optimizer["mean"]!, SPECS);
    const all = await trained(textBatch(), { steps: 3 });
    assert(gradNorm < all.gradNorm);
    for (const [name, { data }] of Object.entries(initial())) {
      const frozen = names.test(name);
      const [same, sameAverage] = [parameters, ema].map((found) =>
        found[name]!.data.every((value, i) => value === data[i])
      );
      assertEquals([name, same, sameAverage], [name, frozen, frozen]);
      if (frozen) assert(optimizer[name]!.data.every((value) => value === 0), name);
    }
  });
}

Deno.test("compileTrainStep() moves the encoder by its own learning rate", async () => {
  const rateOf = rateOfParameter({
    freeze: "none",
    learningRate: 0.01,
    encoderLearningRate: 0.0025,
  });
  const [own, one] = [await trained(textBatch(), { rateOf }), await trained(textBatch())];
  // A first step is proportional to the rate: AdamW's update and its decay are.
  for (const [name, { data }] of Object.entries(initial())) {
    const factor = name.startsWith("encoder.") ? 0.25 : 1;
    const expected = data.map((value, i) =>
      value + factor * (one.parameters[name]!.data[i]! - value)
    );
    assertAllClose(own.parameters[name]!.data, expected, { atol: 1e-6, rtol: 0, message: name });
  }
});

Deno.test("restore() copies a state, and steps continue from it", async () => {
  const device = await openDevice("cpu");
  for (const ema of [true, false]) {
    const step = compileTextStep(device, { optimizer: {}, ema });
    const { state: first } = await step(step.start(initial()), textBatch(), at(1));
    const elsewhere = copyState(first);
    const { state: second } = await step(first, textBatch(), at(2));
    const expected = copyState(second);
    const restored = step.restore(elsewhere);
    assert(restored.parameters.data.buffer !== elsewhere.parameters.data.buffer);
    assertEquals([...restored.parameters.data], [...elsewhere.parameters.data]);
    const { state: again } = await step(restored, textBatch(), at(2));
    await step.dispose();
    assertEquals(copyState(again), expected);
  }
});

Deno.test("textBatchParts() throws when the parts would not be of one size", () => {
  assertThrows(() => textBatchParts(textBatch(), 3), RangeError, "16 rows are not a multiple of 3");
});
