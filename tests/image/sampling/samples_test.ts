import { assert, assertEquals, assertRejects } from "@std/assert";
import { ddim } from "../../../diffusion/samplers/ddim.ts";
import { lastSample } from "../../../diffusion/samplers/types.ts";
import { noiseSchedule, type PredictionType } from "../../../diffusion/schedules.ts";
import { type Device, openDevice } from "../../../engine/device.ts";
import { UserError } from "../../../base/errors.ts";
import {
  drawSamples,
  type SampleRequest,
  type SamplingOptions,
} from "../../../image/sampling/samples.ts";
import { randomStream } from "../../../nn/random.ts";
import { loadImageModel } from "../../../image/checkpoint.ts";
import { loadCheckpoint } from "../../../training/checkpoint/checkpoint.ts";
import { deviceWorks } from "../../devices.ts";
import { permitted } from "../../permissions.ts";
import { randomParameters, TINY_UNET, untrained } from "../../tiny_unet.ts";

const DEVICES = ["onnx", "wasm", "cpu"] as const;

/** Samples from a tiny UNet with random weights. */
async function sample(
  changes: Partial<SamplingOptions> = {},
  request: Partial<SampleRequest> = {},
  device?: Device,
): Promise<Uint8Array> {
  const options: SamplingOptions = {
    parameters: randomParameters(),
    config: TINY_UNET,
    schedule: scheduleOf("v_prediction"),
    sampler: "ddim",
    samplerOptions: { numInferenceSteps: 4, timestepSpacing: "trailing", previousTimestep: "next" },
    nullClass: 2,
    ...changes,
  };
  return await drawSamples(device ?? await openDevice("cpu"), options, {
    labels: Int32Array.of(0, 1, 0, 1, 1),
    random: randomStream(4),
    ...request,
  });
}

function scheduleOf(predictionType: PredictionType) {
  return noiseSchedule({
    numTrainTimesteps: 20,
    betaSchedule: "squaredcos_cap_v2",
    predictionType,
  });
}

const isClose = (a: number, b: number) => Math.abs(a - b) <= 1;

/** A number in [-1, 1] as a pixel. */
const pixelOf = (value: number) => Math.round((Math.max(-1, Math.min(1, value)) + 1) * 127.5);

/** The noise that sample i starts from. */
const startOf = (i: number) => [...randomStream(4).at(i).at(0).normal(16)];

// The output of an untrained UNet is 0, so one step from the last timestep has a closed form.
for (
  const [predictionType, x0Of] of [
    ["sample", () => 0],
    ["epsilon", (x: number, alpha: number) => x / Math.sqrt(alpha)],
    ["v_prediction", (x: number, alpha: number) => x * Math.sqrt(alpha)],
  ] as const
) {
  Deno.test(`drawSamples() gives the closed form when the ${predictionType} is 0`, async () => {
    const schedule = scheduleOf(predictionType);
    const pixels = await sample({
      schedule,
      parameters: untrained(),
      samplerOptions: { numInferenceSteps: 1, timestepSpacing: "trailing" },
    });
    const alpha = schedule.alphasCumprod[19]!;
    const expected = [0, 1, 2, 3, 4].flatMap((i) => startOf(i).map((x) => pixelOf(x0Of(x, alpha))));
    assertEquals(pixels.length, expected.length);
    // Rounding of halves may differ in float32.
    assert(pixels.every((pixel, i) => isClose(pixel, expected[i]!)));
  });
}

Deno.test("drawSamples() gives a sample the same pixels in batches of any size", async () => {
  for (const sampler of ["ddim", "ddpm"] as const) {
    const together = await sample({ sampler });
    const apart = await sample({ sampler }, { batchSize: 2 });
    const first = await sample({ sampler }, { labels: Int32Array.of(0, 1, 0), batchSize: 1 });
    assert(together.every((pixel, i) => isClose(pixel, apart[i]!)), sampler);
    assert(first.every((pixel, i) => isClose(pixel, together[i]!)), sampler);
    const shapes = new Set([0, 1, 2, 3, 4].map((i) => together.slice(16 * i, 16 * i + 16).join()));
    assertEquals(shapes.size, 5, "samples differ from each other");
  }
});

Deno.test({
  name:
    "drawSamples() gives the released model's samples the same pixels in batches of 1 and of 64",
  ignore: !permitted({ name: "read" }) || !deviceWorks("onnx"),
  fn: async () => {
    await using device = await openDevice("onnx", { threads: 1 });
    const model = loadImageModel(await loadCheckpoint("checkpoints/fashion-mnist"));
    const options = {
      ...model,
      sampler: "ddpm",
      samplerOptions: { numInferenceSteps: 2 },
    } as const;
    const labels = Int32Array.from({ length: 64 }, (_, i) => i % 10);
    const draw = (batchSize: number) =>
      drawSamples(device, options, { labels, random: randomStream(3), batchSize });
    const [apart, together] = [await draw(1), await draw(64)];
    assertEquals(apart.length, 64 * 784);
    assert(apart.every((pixel, i) => isClose(pixel, together[i]!)));
    assert(new Set(apart).size > 100, "the samples are pictures");
  },
});

Deno.test("drawSamples() uses new noise at each step of ddpm", async () => {
  const seen: string[] = [];
  const random = randomStream(4);
  const spying = Object.assign(Object.create(random), {
    at: (i: number) => ({
      at: (step: number) => {
        seen.push(`${i}.${step}`);
        return random.at(i).at(step);
      },
    }),
  });
  const labels = Int32Array.of(0, 1);
  const pixels = await sample({ sampler: "ddpm" }, { random: spying, labels });
  assertEquals(seen, ["0.0", "1.0", "0.1", "1.1", "0.2", "1.2", "0.3", "1.3"]);
  assertEquals(pixels, await sample({ sampler: "ddpm" }, { labels }));
});

Deno.test("drawSamples() depends on the class and on the guidance", async () => {
  const ofClass = async (label: number, changes: Partial<SamplingOptions> = {}) =>
    (await sample(changes, { labels: new Int32Array(5).fill(label) })).join();
  const plain = await ofClass(0);
  assert(plain !== await ofClass(1), "the class");
  assert(plain !== await ofClass(0, { guidance: { guidanceScale: 4 } }), "guidance");
  // Without guidance the null class is not used; with the scale 0 the class is not.
  assertEquals(plain, await ofClass(0, { nullClass: undefined }));
  assertEquals(plain, await ofClass(0, { guidance: { guidanceScale: 1 } }));
  assertEquals(await ofClass(0, { guidance: { guidanceScale: 0 } }), await ofClass(2));
});

Deno.test("drawSamples() passes the options to the sampler", async () => {
  const schedule = scheduleOf("v_prediction");
  const samplerOptions = {
    numInferenceSteps: 5,
    timestepSpacing: "leading",
    eta: 0.5,
    clipSample: true,
    clipSampleRange: 0.25,
  } as const;
  const parameters = untrained(); // the output is 0
  const labels = Int32Array.of(1);
  const pixels = await sample({ parameters, samplerOptions }, { labels });
  const noise = (step: number) => randomStream(4).at(0).at(step).normal(16);
  const expected = await lastSample(
    ddim((x) => Promise.resolve(new Float32Array(x.length)), noise(0), schedule, {
      ...samplerOptions,
      noise: (_length, step) => noise(step + 1),
    }),
  );
  assertEquals([...pixels], Array.from(expected, pixelOf));
  const other = { ...samplerOptions, clipSampleRange: 1 };
  const unclipped = await sample({ parameters, samplerOptions: other }, { labels });
  assert(pixels.join() !== unclipped.join());
});

Deno.test("drawSamples() reports its progress after each evaluation", async () => {
  const reported: [number, number][] = [];
  await sample({}, { batchSize: 2, onProgress: (done, total) => reported.push([done, total]) });
  assertEquals(reported, Array.from({ length: 12 }, (_, i) => [i + 1, 12])); // 3 batches of 4 steps
});

Deno.test("drawSamples() samples from a model without classes", async () => {
  const config = { ...TINY_UNET, numClassEmbeds: null };
  const parameters = randomParameters(config);
  const pixels = await sample({ config, parameters, guidance: { guidanceScale: 3 } });
  assertEquals(pixels.length, 5 * 16);
});

Deno.test("drawSamples() refuses guidance without a null class, and outputs of NaN", async () => {
  await assertRejects(
    () => sample({ nullClass: undefined, guidance: { guidanceScale: 2 } }),
    UserError,
    "null class",
  );
  const parameters = randomParameters();
  parameters["conv_out.bias"]!.data.fill(NaN);
  await assertRejects(
    () => sample({ parameters }),
    UserError,
    "the denoiser returned NaN at step 1 of 4",
  );
});

for (const device of DEVICES.slice(0, 2)) {
  Deno.test({
    name: `drawSamples() gives the same pixels on ${device} as on cpu, within a grey level`,
    ignore: !deviceWorks(device),
    fn: async () => {
      const on = (device: Device) =>
        sample({ guidance: { guidanceScale: 2 } }, { batchSize: 3 }, device);
      const expected = await on(await openDevice("cpu"));
      const found = await on(await openDevice(device, { threads: 1 }));
      assert(found.every((pixel, i) => isClose(pixel, expected[i]!)));
    },
  });
}
