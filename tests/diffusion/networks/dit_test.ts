import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { dit } from "../../../diffusion/networks/dit.ts";
import type { DitInputs } from "../../../diffusion/networks/dit_inputs.ts";
import {
  DIT_DEFAULTS,
  type DitConfig,
  ditConfigFromJson,
} from "../../../diffusion/networks/dit_config.ts";
import { ditSpecs, separateEmbeddings } from "../../../diffusion/networks/dit_specs.ts";
import { type DeviceName, openDevice } from "../../../engine/device.ts";
import { UserError } from "../../../base/errors.ts";
import * as tf from "../../../engine/tf.ts";
import { float32, type HostArray, int32, sizeOf } from "../../../engine/tree.ts";
import {
  checkParameters,
  type HostParameters,
  initParameters,
  type Parameters,
} from "../../../nn/parameters.ts";
import { randomStream } from "../../../nn/random.ts";
import { decodeSafetensors } from "../../../nn/safetensors.ts";
import { assertAllClose } from "../../assert_close.ts";
import { deviceWorks } from "../../devices.ts";
import { fixtureBytes, fixtureJson, hasFixture } from "../../fixtures.ts";
import { compute, type Named } from "../../nn/on_device.ts";

const DEVICES: readonly DeviceName[] = ["cpu", "onnx", "onnx-webgpu"];

/** Our names of inputs that have other names in tests/fixtures/make_dit.py. */
const INPUT_NAMES: Record<string, keyof DitInputs> = {
  t: "timesteps",
  class_labels: "classLabels",
  mask: "contextMask",
  drop: "dropCondition",
  self_condition: "selfCondition",
};

/** Converts [B, C, H, W] to [B, H, W, C]; leaves other shapes unchanged. */
function channelsLast({ data, shape }: HostArray): HostArray {
  if (shape.length !== 4) return float32(data as Float32Array, shape);
  const [n, c, h, w] = shape as [number, number, number, number];
  const moved = new Float32Array(data.length);
  data.forEach((value, i) => {
    const [image, channel, pixel] = [
      Math.floor(i / (c * h * w)),
      Math.floor(i / (h * w)) % c,
      i % (h * w),
    ];
    moved[(image * h * w + pixel) * c + channel] = value;
  });
  return float32(moved, [n, h, w, c]);
}

async function loadCase(name: string) {
  const config = ditConfigFromJson(await fixtureJson(`dit/${name}.json`), name);
  const file = `dit/${name}.safetensors`;
  const { tensors } = decodeSafetensors(await fixtureBytes(file), file);
  const group = (prefix: string): HostParameters =>
    Object.fromEntries(
      [...tensors].filter(([key]) => key.startsWith(prefix)).map(([key, { data, shape }]) =>
        [key.slice(prefix.length), float32(data as Float32Array, shape)] as const
      ),
    );
  const inputs = Object.entries(group("inputs.")).map(([key, tensor]) => {
    const ours = INPUT_NAMES[key] ?? key;
    const integers = ours === "classLabels";
    return [ours, integers ? int32([...tensor.data]) : channelsLast(tensor)] as const;
  });
  const whole = group("");
  return {
    config,
    inputs: Object.fromEntries(inputs) as Named,
    parameters: group("parameters."),
    gradients: group("gradients."),
    target: channelsLast(whole["target"]!),
    output: channelsLast(whole["output"]!),
    loss: whole["loss"]!.data[0]!,
  };
}

/** A tiny model in token mode; classes 0 to 2 and a null class. */
const TINY: DitConfig = {
  ...DIT_DEFAULTS,
  sampleSize: 3,
  patchSize: null,
  inChannels: 2,
  numLayers: 2,
  numAttentionHeads: 2,
  attentionHeadDim: 4,
  numEmbedsAdaNorm: 3,
};

/** Parameters without zeros. */
function randomParameters(config: DitConfig): HostParameters {
  return Object.fromEntries(
    Object.entries(ditSpecs(config)).map(([name, { shape }]) => {
      const values = randomStream(7).stream(name).normal(sizeOf(shape));
      return [name, float32(values.map((value) => 0.3 * value), shape)] as const;
    }),
  );
}

function random(name: string, ...shape: number[]): HostArray {
  return float32(randomStream(1).stream(name).normal(sizeOf(shape)), shape);
}

function tinyInputs(): Named {
  return {
    x: random("x", 2, 3, 2),
    timesteps: float32([10, 500]),
    classLabels: int32([0, 3]),
  };
}

/** The output of a model. */
async function apply(
  config: DitConfig,
  parameters: HostParameters,
  inputs: Named,
  device: DeviceName = "cpu",
): Promise<HostArray> {
  const weights: Named = Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [`parameters.${name}`, value]),
  );
  const { output } = await compute(device, { ...inputs, ...weights }, (given) => {
    const named = Object.keys(parameters).map((name) => [name, given[`parameters.${name}`]!]);
    const own = Object.keys(inputs).map((name) => [name, given[name]!]);
    return {
      output: dit(Object.fromEntries(named), Object.fromEntries(own) as DitInputs, config),
    };
  });
  return output!;
}

for (const device of DEVICES) {
  for (const name of ["patches", "in_context", "cross_attention"]) {
    Deno.test({
      name: `dit() gives PyTorch's output, loss and gradients for ${name} on ${device}`,
      ignore: !hasFixture("dit") || !deviceWorks(device),
      fn: async () => {
        const { config, inputs, parameters, gradients, target, output, loss } = await loadCase(
          name,
        );
        checkParameters(parameters, ditSpecs(config), name);
        const { compile } = await openDevice(device, { threads: 1 });
        type Given = { parameters: HostParameters; inputs: Named; target: HostArray };
        type Found = { output: HostArray; loss: HostArray; gradients: Named };
        const run = compile<Given, Found>(({ parameters, inputs, target }) => {
          const model = (weights: Parameters) =>
            dit(weights, inputs as unknown as DitInputs, config);
          const names = Object.keys(parameters);
          const { value, grads } = tf.valueAndGrads((...weights: tf.Tensor[]) => {
            const named = Object.fromEntries(names.map((key, i) => [key, weights[i]!]));
            return tf.losses.meanSquaredError(target, model(named)) as tf.Scalar;
          })(Object.values(parameters));
          return {
            output: model(parameters),
            loss: value,
            gradients: Object.fromEntries(names.map((key, i) => [key, grads[i]!])),
          };
        });
        const found = await run({ parameters, inputs, target });
        await run.dispose();
        assertAllClose(found.output.data, output.data, { atol: 1e-4, rtol: 1e-4 });
        assertAlmostEquals(found.loss.data[0]!, loss, 1e-4 * loss);
        for (const [key, { data }] of Object.entries(gradients)) {
          const largest = Math.max(...data.map(Math.abs));
          assertAllClose(found.gradients[key]!.data, data, {
            atol: 1e-4 * largest + 1e-8,
            rtol: 1e-4,
            message: `gradient of ${key}`,
          });
        }
      },
    });
  }

  Deno.test({
    name: `dit() does not attend to padding in either mode on ${device}`,
    ignore: !deviceWorks(device),
    fn: async () => {
      for (const contextMode of ["in_context", "cross_attention"] as const) {
        const config: DitConfig = { ...TINY, contextDim: 4, contextMode };
        const parameters = randomParameters(config);
        const given = random("context", 2, 3, 4).data as Float32Array;
        // The last token of the first sample and the last two of the second are padding.
        const padding = new Set([2, 4, 5]);
        const contextWith = (value: number) =>
          float32(given.map((old, i) => padding.has(Math.floor(i / 4)) ? value : old), [2, 3, 4]);
        const contextMask = float32([1, 1, 0, 1, 0, 0], [2, 3]);
        const outputs: HostArray[] = [];
        for (const context of [contextWith(0), contextWith(100)]) {
          const inputs = { ...tinyInputs(), context, contextMask };
          outputs.push(await apply(config, parameters, inputs, device));
        }
        assertAllClose(outputs[1]!.data, outputs[0]!.data, { atol: 1e-5, message: contextMode });
        const inputs = { ...tinyInputs(), context: contextWith(100) };
        const { data } = await apply(config, parameters, inputs, device);
        const differs = data.some((value, i) => Math.abs(value - outputs[0]!.data[i]!) > 1e-3);
        assert(differs, `${contextMode}: without a mask the padding must matter`);
      }
    },
  });
}

Deno.test("dit() ignores a condition when it is dropped, even if it is NaN", async () => {
  const config: DitConfig = { ...TINY, contextDim: 4, pooledDim: 3, nullCondition: true };
  const parameters = randomParameters(config);
  const run = (value: number) =>
    apply(config, parameters, {
      ...tinyInputs(),
      context: float32(new Float32Array(24).fill(value), [2, 3, 4]),
      pooled: float32(new Float32Array(6).fill(value), [2, 3]),
      dropCondition: float32([1, 1]),
    });
  assertAllClose((await run(NaN)).data, (await run(1)).data);
});

Deno.test("dit() uses zeros when the self-condition is missing", async () => {
  const config: DitConfig = { ...TINY, selfConditioning: true };
  const parameters = randomParameters(config);
  const zeros = float32(new Float32Array(12), [2, 3, 2]);
  const given = await apply(config, parameters, { ...tinyInputs(), selfCondition: zeros });
  assertAllClose((await apply(config, parameters, tinyInputs())).data, given.data);
});

Deno.test("dit() returns twice the channels when the variance is learned", async () => {
  const config: DitConfig = { ...TINY, outChannels: 4 };
  const { shape } = await apply(config, randomParameters(config), tinyInputs());
  assertEquals(shape, [2, 3, 4]);
});

Deno.test("ditSpecs() starts with identity blocks and an output of zero", async () => {
  const parameters = initParameters(ditSpecs(TINY), randomStream(0));
  const { data } = await apply(TINY, parameters, tinyInputs());
  assertEquals([...data].every((value) => value === 0), true);
  const modulation = parameters["transformer_blocks.1.norm1.linear.weight"]!;
  assert(modulation.data.every((value) => value === 0));
});

Deno.test("separateEmbeddings() does not change the output", async () => {
  const parameters = randomParameters(TINY);
  const separate = separateEmbeddings(parameters, TINY);
  checkParameters(separate.parameters, ditSpecs(separate.config), "separate");
  const expected = await apply(TINY, parameters, tinyInputs());
  const found = await apply(separate.config, separate.parameters, tinyInputs());
  assertAllClose(found.data, expected.data);
});

Deno.test("dit() throws when an input is missing, not used, or of another shape", () => {
  const parameters = {};
  const x = tf.zeros([2, 3, 2]);
  const timesteps = tf.tensor1d([1, 2]);
  const classLabels = tf.tensor1d([0, 1], "int32");
  const refused = (inputs: DitInputs, config: DitConfig, message: string) =>
    assertThrows(() => dit(parameters, inputs, config), UserError, message);
  refused({ x, timesteps }, TINY, "requires classLabels");
  const unconditional = { ...TINY, numEmbedsAdaNorm: null };
  refused({ x, timesteps, classLabels }, unconditional, "does not use");
  refused(
    { x: tf.zeros([2, 4, 2]), timesteps, classLabels },
    TINY,
    "x has shape [2,4,2]; it must be [2,3,2]",
  );
  const wide = { x: tf.zeros([2, 8, 6, 4]), timesteps, classLabels };
  refused(wide, { ...DIT_DEFAULTS, sampleSize: 8 }, "it must be [2,8,8,4]");
  const withContext = { ...TINY, contextDim: 4, contextLength: 2 };
  const context = tf.zeros([2, 3, 4]) as tf.Tensor3D;
  refused({ x, timesteps, classLabels, context }, withContext, "3 tokens of context");
});
