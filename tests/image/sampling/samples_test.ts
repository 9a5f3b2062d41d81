import { assert, assertEquals, assertRejects } from "@std/assert";
import { ddim } from "../../../diffusion/samplers/ddim.ts";
import { lastSample } from "../../../diffusion/samplers/types.ts";
import { noiseSchedule, type PredictionType } from "../../../diffusion/schedules.ts";
import { openDevice } from "../../../engine/device.ts";
import { UserError } from "../../../base/errors.ts";
import { type DrawOptions, drawSamples } from "../../../image/sampling/samples.ts";
import { randomStream } from "../../../nn/random.ts";
import { deviceWorks } from "../../devices.ts";
import { randomParameters, TINY_UNET, untrained } from "../../tiny_unet.ts";

const DEVICES = ["onnx", "wasm", "cpu"] as const;

function options(changes: Partial<DrawOptions> = {}): DrawOptions {
  return {
    parameters: randomParameters(),
    config: TINY_UNET,
    schedule: scheduleOf("v_prediction"),
    sampler: "ddim",
    samplerOptions: { numInferenceSteps: 4, timestepSpacing: "trailing", previousTimestep: "next" },
    labels: Int32Array.of(0, 1, 0, 1, 1),
    nullClass: 2,
    guidanceScale: 1,
    random: randomStream(4),
    ...changes,
  };
}

function scheduleOf(predictionType: PredictionType) {
  return noiseSchedule({
    numTrainTimesteps: 20,
    betaSchedule: "squaredcos_cap_v2",
    predictionType,
  });
}

const cpu = () => openDevice("cpu");
const isClose = (a: number, b: number) => Math.abs(a - b) <= 1;

/** A number in [-1, 1] as a pixel. */
const pixelOf = (value: number) => Math.round((Math.max(-1, Math.min(1, value)) + 1) * 127.5);

/** The noise that sample i starts from. */
const startOf = (i: number) => [...randomStream(4).at(i).at(0).normal(16)];

// An untrained UNet's output is 0, which makes one step from the last time step a closed form.
for (
  const [predictionType, x0Of] of [
    ["sample", () => 0],
    ["epsilon", (x: number, alpha: number) => x / Math.sqrt(alpha)],
    ["v_prediction", (x: number, alpha: number) => x * Math.sqrt(alpha)],
  ] as const
) {
  Deno.test(`drawSamples() takes an output of 0 for no ${predictionType}`, async () => {
    const schedule = scheduleOf(predictionType);
    const pixels = await drawSamples(
      await cpu(),
      options({
        schedule,
        parameters: untrained(),
        samplerOptions: { numInferenceSteps: 1, timestepSpacing: "trailing" },
      }),
    );
    const alpha = schedule.alphasCumprod[19]!;
    const expected = [0, 1, 2, 3, 4].flatMap((i) => startOf(i).map((x) => pixelOf(x0Of(x, alpha))));
    assertEquals(pixels.length, expected.length);
    // float32 may round a half to the other side.
    assert(pixels.every((pixel, i) => isClose(pixel, expected[i]!)));
  });
}

Deno.test("drawSamples() gives a sample the same pixels however many are drawn with it", async () => {
  for (const sampler of ["ddim", "ddpm"] as const) {
    const together = await drawSamples(await cpu(), options({ sampler }));
    const apart = await drawSamples(await cpu(), options({ sampler, batchSize: 2 }));
    const first = await drawSamples(
      await cpu(),
      options({ sampler, labels: Int32Array.of(0, 1, 0), batchSize: 1 }),
    );
    assert(together.every((pixel, i) => isClose(pixel, apart[i]!)), sampler);
    assert(first.every((pixel, i) => isClose(pixel, together[i]!)), sampler);
    const shapes = new Set([0, 1, 2, 3, 4].map((i) => together.slice(16 * i, 16 * i + 16).join()));
    assertEquals(shapes.size, 5, "samples differ from each other");
  }
});

Deno.test("drawSamples() draws fresh noise at each step of ddpm", async () => {
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
  const pixels = await drawSamples(
    await cpu(),
    options({ sampler: "ddpm", random: spying, labels: Int32Array.of(0, 1) }),
  );
  assertEquals(seen, ["0.0", "1.0", "0.1", "1.1", "0.2", "1.2", "0.3", "1.3"]);
  assertEquals(
    pixels,
    await drawSamples(
      await cpu(),
      options({ sampler: "ddpm", labels: Int32Array.of(0, 1) }),
    ),
  );
});

Deno.test("drawSamples() draws what the class and the guidance ask for", async () => {
  const draw = async (changes: Partial<DrawOptions>) =>
    (await drawSamples(await cpu(), options(changes))).join();
  const zeros = new Int32Array(5);
  const plain = await draw({ labels: zeros });
  assert(plain !== await draw({ labels: zeros.map(() => 1) }), "the class");
  assert(plain !== await draw({ labels: zeros, guidanceScale: 4 }), "guidance");
  // Without guidance nothing is asked of the null class; with a scale of 0, nothing of the class.
  assertEquals(plain, await draw({ labels: zeros, nullClass: undefined }));
  assertEquals(
    await draw({ labels: zeros, guidanceScale: 0 }),
    await draw({ labels: zeros.map(() => 2) }),
  );
});

Deno.test("drawSamples() passes the sampler's options on", async () => {
  const schedule = scheduleOf("v_prediction");
  const samplerOptions = {
    ...{ numInferenceSteps: 5, timestepSpacing: "leading", eta: 0.5 } as const,
    ...{ clipSample: true, clipSampleRange: 0.25 },
  };
  const parameters = untrained(); // which answer 0
  const labels = Int32Array.of(1);
  const pixels = await drawSamples(await cpu(), options({ parameters, labels, samplerOptions }));
  const noise = (step: number) => randomStream(4).at(0).at(step).normal(16);
  const sample = await lastSample(
    ddim((x) => Promise.resolve(new Float32Array(x.length)), noise(0), schedule, {
      ...samplerOptions,
      noise: (_length, step) => noise(step + 1),
    }),
  );
  assertEquals([...pixels], Array.from(sample, pixelOf));
  // Another range gives another picture: the options did get there.
  const other = { ...samplerOptions, clipSampleRange: 1 };
  const unclipped = await drawSamples(
    await cpu(),
    options({ parameters, labels, samplerOptions: other }),
  );
  assert(pixels.join() !== unclipped.join());
});

Deno.test("drawSamples() tells how far it is, once an evaluation", async () => {
  const told: [number, number][] = [];
  await drawSamples(
    await cpu(),
    options({ batchSize: 2, onProgress: (done, total) => told.push([done, total]) }),
  );
  assertEquals(told, Array.from({ length: 12 }, (_, i) => [i + 1, 12])); // 3 batches of 4 steps
});

Deno.test("drawSamples() draws from a model without classes", async () => {
  const config = { ...TINY_UNET, numClassEmbeds: null };
  const pixels = await drawSamples(
    await cpu(),
    options({ config, parameters: randomParameters(config), guidanceScale: 3 }),
  );
  assertEquals(pixels.length, 5 * 16);
});

Deno.test("drawSamples() refuses guidance of a model without a null class, and NaN", async () => {
  const device = await cpu();
  await assertRejects(
    () => drawSamples(device, options({ nullClass: undefined, guidanceScale: 2 })),
    UserError,
    "null class",
  );
  const parameters = randomParameters();
  parameters["conv_out.bias"]!.data.fill(NaN);
  await assertRejects(
    () => drawSamples(device, options({ parameters })),
    UserError,
    "the denoiser returned NaN at step 1 of 4",
  );
});

for (const device of DEVICES.slice(0, 2)) {
  Deno.test({
    name: `drawSamples() draws the same on ${device} as on cpu, to a grey level`,
    ignore: !deviceWorks(device),
    fn: async () => {
      const guided = options({ guidanceScale: 2, batchSize: 3 });
      const expected = await drawSamples(await cpu(), guided);
      const found = await drawSamples(await openDevice(device, { threads: 1 }), guided);
      assert(found.every((pixel, i) => isClose(pixel, expected[i]!)));
    },
  });
}
