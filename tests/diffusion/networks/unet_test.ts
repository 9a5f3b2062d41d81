import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { currentNames, unet, unetSpecs } from "../../../diffusion/networks/unet.ts";
import {
  checkUNetConfig,
  UNET_DEFAULTS,
  unetConfig,
  unetConfigFromJson,
  unetConfigToJson,
} from "../../../diffusion/networks/unet_config.ts";
import { DEVICE_NAMES, openDevice } from "../../../engine/device.ts";
import { UserError } from "../../../base/errors.ts";
import * as tf from "../../../engine/tf.ts";
import { float32, type HostArray, int32 } from "../../../engine/tree.ts";
import { checkParameters, type HostParameters, type Parameters } from "../../../nn/parameters.ts";
import { decodeSafetensors } from "../../../nn/safetensors.ts";
import { assertAllClose } from "../../assert_close.ts";
import { deviceWorks } from "../../devices.ts";
import { fixtureBytes, fixtureJson, hasFixture } from "../../fixtures.ts";

/** [B, C, H, W] to [B, H, W, C]. */
function channelsLast(values: readonly number[], [n, c, h, w]: number[]): HostArray {
  const data = new Float32Array(values.length);
  for (let i = 0; i < n!; i++) {
    for (let j = 0; j < c!; j++) {
      for (let p = 0; p < h! * w!; p++) {
        data[(i * h! * w! + p) * c! + j] = values[(i * c! + j) * h! * w! + p]!;
      }
    }
  }
  return float32(data, [n!, h!, w!, c!]);
}

async function loadFixture(name: string) {
  const config = unetConfigFromJson(await fixtureJson(`${name}/config.json`), name);
  const file = `${name}/diffusion_pytorch_model.safetensors`;
  const { tensors } = decodeSafetensors(await fixtureBytes(file), file);
  const parameters: HostParameters = Object.fromEntries(
    [...tensors].map(([key, { data, shape }]) => [key, float32(data as Float32Array, shape)]),
  );
  return { config, parameters, fixture: await fixtureJson(`${name}/case.json`) };
}

for (const device of DEVICE_NAMES) {
  for (const name of ["unet_plain", "unet_class"]) {
    Deno.test({
      name: `unet() gives diffusers' output, loss and gradients for ${name} on ${device}`,
      ignore: !hasFixture(name) || !deviceWorks(device),
      fn: async () => {
        const { config, parameters, fixture } = await loadFixture(name);
        checkParameters(parameters, unetSpecs(config), name);
        const size = config.sampleSize as number;
        const shape = [fixture.t.length, config.inChannels, size, size];
        const labels = fixture.class_labels as number[] | null;
        const inputs = {
          parameters,
          x: channelsLast(fixture.x, shape),
          target: channelsLast(fixture.target, shape),
          t: float32(fixture.t),
          labels: labels === null ? [] : [int32(labels)],
        };
        const { compile } = await openDevice(device, { threads: 1 });
        const run = compile<typeof inputs, Record<string, Record<string, HostArray>>>(
          ({ parameters, x, target, t, labels }) => {
            const apply = (parameters: Parameters) =>
              unet(parameters, {
                x: x as tf.Tensor4D,
                timesteps: t as tf.Tensor1D,
                classLabels: labels[0] as tf.Tensor1D | undefined,
              }, config);
            const names = Object.keys(parameters);
            const loss = (...weights: tf.Tensor[]) =>
              tf.losses.meanSquaredError(
                target,
                apply(Object.fromEntries(names.map((key, i) => [key, weights[i]!]))),
              ) as tf.Scalar;
            const { value, grads } = tf.valueAndGrads(loss)(Object.values(parameters));
            return {
              values: { output: apply(parameters), loss: value },
              gradients: Object.fromEntries(names.map((key, i) => [key, grads[i]!])),
            };
          },
        );
        const { values, gradients } = await run(inputs);
        await run.dispose();
        const expected = channelsLast(fixture.output, [shape[0]!, config.outChannels, size, size]);
        assertAllClose(values!["output"]!.data, expected.data, { atol: 1e-4, rtol: 1e-4 });
        assertAlmostEquals(values!["loss"]!.data[0]!, fixture.mse, 1e-4 * fixture.mse);
        for (const [key, norm] of Object.entries(fixture.grad_norm as Record<string, number>)) {
          const found = Math.hypot(...gradients![key]!.data);
          assertAlmostEquals(found, norm, 1e-4 + 1e-3 * norm, `gradient norm of ${key}`);
        }
        for (const [key, head] of Object.entries(fixture.grad_head as Record<string, number[]>)) {
          assertAllClose(gradients![key]!.data.subarray(0, head.length), head, {
            atol: 1e-4,
            rtol: 1e-3,
            message: `gradient of ${key}`,
          });
        }
      },
    });
  }
}

/** Small twins of published UNets, see make_unets.py. */
for (const name of ["cifar10", "church", "scale_shift", "mixed"]) {
  for (const device of DEVICE_NAMES) {
    Deno.test({
      name: `unet() gives diffusers' output for the configuration of unets/${name} on ${device}`,
      ignore: !hasFixture(`unets/${name}/config.json`) || !deviceWorks(device),
      fn: async () => {
        const folder = `unets/${name}`;
        const config = unetConfigFromJson(await fixtureJson(`${folder}/config.json`), name);
        const tensorsOf = async (file: string) =>
          decodeSafetensors(await fixtureBytes(`${folder}/${file}`), file).tensors;
        const weights = currentNames(await tensorsOf("diffusion_pytorch_model.safetensors"));
        const parameters = Object.fromEntries(
          [...weights].map((
            [key, { data, shape }],
          ) => [key, float32(Float32Array.from(data, Number), shape)]),
        );
        checkParameters(parameters, unetSpecs(config), name);
        const tensors = await tensorsOf("case.safetensors");
        const read = (key: string) => Array.from(tensors.get(key)!.data, Number);
        const shape = [...tensors.get("x")!.shape];
        const inputs = {
          x: channelsLast(read("x"), shape),
          t: float32(read("t")),
          labels: tensors.has("labels") ? [int32(read("labels"))] : [],
        };
        const { compile } = await openDevice(device, { threads: 1 });
        const run = compile<{ parameters: HostParameters } & typeof inputs, HostArray>(
          ({ parameters, x, t, labels }) =>
            unet(parameters, {
              x: x as tf.Tensor4D,
              timesteps: t as tf.Tensor1D,
              classLabels: labels[0] as tf.Tensor1D | undefined,
            }, config),
        );
        const { data } = await run({ parameters, ...inputs });
        await run.dispose();
        assertAllClose(data, channelsLast(read("output"), shape).data, { atol: 1e-4, rtol: 1e-4 });
      },
    });
  }
}

Deno.test("unetConfigFromJson() has diffusers' defaults for what the file lacks, and other names", () => {
  const read = (json: Record<string, unknown>) => unetConfigFromJson(json, "config.json");
  assertEquals(read({}), { ...UNET_DEFAULTS, sampleSize: null });
  const old = { act_fn: "swish", dropout: 0.1, num_train_timesteps: 1000 };
  assertEquals(read(old), read({}));
  const types = ["UNetResDownBlock2D", "UNetResAttnDownBlock2D", "DownBlock2D", "DownBlock2D"];
  assertEquals(read({ down_block_types: types }).downBlockTypes.slice(0, 2), [
    "DownBlock2D",
    "AttnDownBlock2D",
  ]);
  assertThrows(
    () => read({ downsample_padding: 2 }),
    UserError,
    "downsamplePadding is 2; use 0 or 1",
  );
  assertThrows(() => read({ resnet_time_scale_shift: "spatial" }), UserError, 'is "spatial"; use');
  assertThrows(() => read({ attn_norm_num_groups: 5 }), UserError, "do not divide into 5 groups");
  assertThrows(() => read({ time_embedding_type: "fourier" }), UserError, "time_embedding_type is");
});

Deno.test("unetSpecs() starts residual branches at zero", () => {
  const config = { ...UNET_DEFAULTS, sampleSize: 8, blockOutChannels: [32, 64, 64, 64] };
  const specs = unetSpecs(config);
  assertEquals(specs["conv_out.weight"]!.initializer, { constant: 0 });
  assertEquals(specs["down_blocks.0.resnets.0.conv2.weight"]!.initializer, { constant: 0 });
  assert(!("class_embedding.weight" in specs));
});

Deno.test("unetConfigFromJson() inverts unetConfigToJson()", () => {
  const config = { ...UNET_DEFAULTS, numClassEmbeds: 10, sampleSize: [32, 64] as const };
  assertEquals(unetConfigFromJson(unetConfigToJson(config), "config.json"), config);
});

Deno.test("unetConfigFromJson() throws when the class or a setting is not supported", () => {
  const json = unetConfigToJson(UNET_DEFAULTS);
  assertThrows(
    () => unetConfigFromJson({ ...json, act_fn: "gelu" }, "config.json"),
    UserError,
    'config.json: act_fn is "gelu"',
  );
  assertThrows(
    () => unetConfigFromJson({ ...json, _class_name: "VQModel" }, "config.json"),
    UserError,
    'describes a "VQModel"',
  );
});

Deno.test("unetConfigFromJson() throws when a value has another type or is out of range", () => {
  const json = unetConfigToJson(UNET_DEFAULTS);
  const refused = (change: Record<string, unknown>, message: string) =>
    assertThrows(() => unetConfigFromJson({ ...json, ...change }, "a.json"), UserError, message);
  refused({ block_out_channels: "abcd" }, 'a.json: blockOutChannels is "abcd"; use a list');
  refused({ block_out_channels: [32, null, 32, 32] }, "blockOutChannels has null");
  refused({ block_out_channels: Array(17).fill(32) }, "blockOutChannels has 17 entries");
  refused({ layers_per_block: 1e9 }, "layersPerBlock is 1000000000");
  refused({ sample_size: [8] }, "sampleSize is [8]");
  refused({ in_channels: 0.5 }, "inChannels is 0.5");
  refused({ num_class_embeds: "10" }, 'numClassEmbeds is "10"');
  refused({ norm_eps: null }, "normEps is null");
  refused({ freq_shift: "x" }, 'freqShift is "x"');
  refused({ down_block_types: [{}, 1, 2, 3] }, "block type {} is not one of");
});

Deno.test("unetConfig() fills in diffusers' defaults, and attention at all levels but the highest", () => {
  assertEquals(unetConfig(), UNET_DEFAULTS);
  const { downBlockTypes, upBlockTypes, normNumGroups } = unetConfig({
    blockOutChannels: [32, 64],
  });
  assertEquals(downBlockTypes, ["DownBlock2D", "AttnDownBlock2D"]);
  assertEquals(upBlockTypes, ["AttnUpBlock2D", "UpBlock2D"]);
  assertEquals(normNumGroups, 32);
  const plain = unetConfig({ blockOutChannels: [32], downBlockTypes: ["AttnDownBlock2D"] });
  assertEquals(plain.downBlockTypes, ["AttnDownBlock2D"]);
  assertThrows(() => unetConfig({ blockOutChannels: [20] }), UserError, "do not divide into 32");
});

Deno.test("checkUNetConfig() names the size when it cannot be halved", () => {
  const config = { ...UNET_DEFAULTS, sampleSize: 28 };
  assertThrows(() => checkUNetConfig(config), UserError, "28 pixels cannot be halved 3 times");
});

Deno.test("checkUNetConfig() names the channels when groups do not divide them", () => {
  const config = { ...UNET_DEFAULTS, blockOutChannels: [30, 60, 90, 120] };
  assertThrows(
    () => checkUNetConfig(config),
    UserError,
    "30 channels do not divide into 32 groups",
  );
});
