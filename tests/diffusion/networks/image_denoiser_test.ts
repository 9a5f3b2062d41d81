import { assert, assertEquals, assertThrows } from "@std/assert";
import { compileImageDenoiser } from "../../../diffusion/networks/image_denoiser.ts";
import { unet } from "../../../diffusion/networks/unet.ts";
import type { UNetConfig } from "../../../diffusion/networks/unet_config.ts";
import { type DeviceName, openDevice } from "../../../engine/device.ts";
import { UserError } from "../../../base/errors.ts";
import * as tf from "../../../engine/tf.ts";
import { constants } from "../../../nn/parameters.ts";
import { randomStream } from "../../../nn/random.ts";
import { assertAllClose } from "../../assert_close.ts";
import { deviceWorks } from "../../devices.ts";
import { randomParameters, TINY_UNET } from "../../tiny_unet.ts";

const DEVICES = ["onnx", "wasm", "cpu"] as const;

const x = randomStream(1).normal(2 * 16);
const classLabels = Int32Array.of(1, 0);
const NULL_CLASS = 2;

/** The UNet's output from tfjs, without a device's compile(). */
async function direct(
  timestep: number,
  labels: Int32Array | undefined,
  config: UNetConfig = TINY_UNET,
): Promise<Float32Array> {
  await tf.setBackend("cpu");
  return tf.tidy(() =>
    unet(constants(randomParameters(config)), {
      x: tf.tensor4d(x, [2, 4, 4, 1]),
      timesteps: tf.tensor1d([timestep, timestep]),
      classLabels: labels && tf.tensor1d(labels, "int32"),
    }, config).dataSync() as Float32Array
  );
}

async function compiled(device: DeviceName, config: UNetConfig = TINY_UNET) {
  return compileImageDenoiser(
    await openDevice(device, { threads: 1 }),
    { parameters: randomParameters(config), config },
  );
}

for (const device of DEVICES) {
  Deno.test({
    name: `compileImageDenoiser() gives the UNet's output on ${device}`,
    ignore: !deviceWorks(device),
    fn: async () => {
      const denoiser = await compiled(device);
      const conditional = denoiser.condition({ classLabels });
      const expected = [await direct(3, classLabels), await direct(90, classLabels)] as const;
      assertAllClose(await conditional(x, 3), expected[0], { atol: 2e-5 });
      assertAllClose(await conditional(x, 90), expected[1], { atol: 2e-5 });
      const apart = Math.hypot(...expected[0].map((value, i) => value - expected[1][i]!));
      assert(apart > 1e-2, `the timestep makes no difference: ${apart}`);
      // One of the two by itself: another batch size.
      const second = denoiser.condition({ classLabels: classLabels.slice(1) });
      assertAllClose(await second(x.slice(16), 3), expected[0].slice(16), { atol: 2e-5 });
      await denoiser.dispose();
    },
  });
}

for (const guidanceScale of [0, 1, 3]) {
  Deno.test(`compileImageDenoiser() guides towards the class when the scale is ${guidanceScale}`, async () => {
    const denoiser = await compiled("cpu");
    const guided = await denoiser.condition({
      classLabels,
      nullClass: NULL_CLASS,
      guidance: { guidanceScale },
    })(x, 40);
    const withClass = await direct(40, classLabels);
    const without = await direct(40, new Int32Array(2).fill(NULL_CLASS));
    const expected = without.map((value, i) => value + guidanceScale * (withClass[i]! - value));
    assertAllClose(guided, expected, { atol: 1e-5 });
    await denoiser.dispose();
  });
}

Deno.test("compileImageDenoiser() runs a model without classes", async () => {
  const config = { ...TINY_UNET, numClassEmbeds: null };
  const denoiser = await compiled("cpu", config);
  const output = await denoiser.condition()(x, 12);
  assertAllClose(output, await direct(12, undefined, config), { atol: 1e-5 });
  await denoiser.dispose();
});

Deno.test("compileImageDenoiser() does not change its input and its weights", async () => {
  const parameters = randomParameters();
  const before = structuredClone(parameters);
  const model = { parameters, config: TINY_UNET };
  const denoiser = compileImageDenoiser(await openDevice("cpu"), model);
  const input = x.slice();
  await denoiser.condition({ classLabels })(input, 5);
  assertEquals(input, x);
  assertEquals(parameters, before);
  await denoiser.dispose();
});

Deno.test("condition() refuses guidance for a model without a null class", async () => {
  const denoiser = await compiled("cpu");
  const error = assertThrows(
    () => denoiser.condition({ classLabels, guidance: { guidanceScale: 2 } }),
    UserError,
    "guidance with scale 2 needs a model that was trained with a null class",
  );
  assertEquals(error.exitCode, 2);
  await denoiser.dispose();
});
