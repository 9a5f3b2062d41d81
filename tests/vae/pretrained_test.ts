import { assertAlmostEquals, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type DeviceName, openDevice } from "../../engine/device.ts";
import { UserError } from "../../base/errors.ts";
import type * as tf from "../../engine/tf.ts";
import { type HostArray, int32 } from "../../engine/tree.ts";
import type { HostTensor, NamedTensors } from "../../nn/host_tensor.ts";
import { decodeSafetensors, encodeSafetensors } from "../../nn/safetensors.ts";
import { bertStates } from "../../vae/bert.ts";
import { maskedLmLogits } from "../../vae/bert_masked_lm.ts";
import { loadBert, loadGpt2, type ModelFiles, readModelTensors } from "../../vae/pretrained.ts";
import { deviceWorks } from "../devices.ts";
import { fixtureBytes, fixtureJson, hasFixture } from "../fixtures.ts";

/** A model whose files are in memory. */
function filesOf(files: Readonly<Record<string, Uint8Array | object>>): ModelFiles {
  return {
    name: "a model",
    read: (name) => {
      const content = files[name];
      const bytes = content === undefined || content instanceof Uint8Array
        ? content
        : new TextEncoder().encode(JSON.stringify(content));
      return Promise.resolve(bytes);
    },
  };
}

async function fixture(name: string) {
  const { tensors } = decodeSafetensors(await fixtureBytes(`${name}/model.safetensors`), name);
  return { tensors, config: await fixtureJson(`${name}/config.json`) as object };
}

function renamed(tensors: NamedTensors, rename: (name: string) => string): NamedTensors {
  return new Map([...tensors].map(([name, tensor]) => [rename(name), tensor]));
}

const ignore = !hasFixture("gpt2") || !hasFixture("bert");

Deno.test({
  name: "loadGpt2() reads GPT2Model's names, 16-bit floats, and weights in several files",
  ignore,
  fn: async () => {
    const { tensors, config } = await fixture("gpt2");
    const whole = await loadGpt2(filesOf({
      "config.json": config,
      "model.safetensors": encodeSafetensors(tensors),
    }));
    const bare = renamed(tensors, (name) => name.replace(/^transformer\./, ""));
    const names = [...bare.keys()];
    const half = Math.floor(names.length / 2);
    const shard = (keys: string[]) =>
      encodeSafetensors(new Map(keys.map((key) => [key, bare.get(key)!])));
    const [first, second] = [names.slice(0, half), names.slice(half)];
    const index = {
      metadata: { total_size: 1 },
      weight_map: Object.fromEntries([
        ...first.map((key) => [key, "model-00001-of-00002.safetensors"]),
        ...second.map((key) => [key, "model-00002-of-00002.safetensors"]),
      ]),
    };
    const sharded = {
      "config.json": config,
      "model.safetensors.index.json": index,
      "model-00001-of-00002.safetensors": shard(first),
      "model-00002-of-00002.safetensors": shard(second),
    };
    assertEquals(await loadGpt2(filesOf(sharded)), whole);

    const { "model-00002-of-00002.safetensors": _, ...without } = sharded;
    const missing = await assertRejects(() => loadGpt2(filesOf(without)), UserError);
    assertStringIncludes(missing.message, "has no model-00002-of-00002.safetensors");
    const short = { ...sharded, "model-00002-of-00002.safetensors": shard(second.slice(1)) };
    const absent = await assertRejects(() => loadGpt2(filesOf(short)), UserError);
    assertStringIncludes(absent.message, `lists the tensor "${second[0]}"`);

    for (const dtype of ["F16", "BF16"] as const) {
      const narrow = new Map(
        [...tensors].map(([key, { shape, data }]) =>
          [key, { dtype, shape, data } as HostTensor] as const
        ),
      );
      const files = { "config.json": config, "model.safetensors": encodeSafetensors(narrow) };
      const { parameters } = await loadGpt2(filesOf(files));
      const [name, tensor] = Object.entries(parameters)[0]!;
      const exact = whole.parameters[name]!.data;
      // 11 and 8 bits of precision.
      const relative = dtype === "F16" ? 2 ** -11 : 2 ** -8;
      tensor.data.forEach((value, i) =>
        assertAlmostEquals(value, exact[i]!, relative * Math.abs(exact[i]!) + 1e-7)
      );
    }
  },
});

Deno.test({
  name:
    "loadBert() names a tensor that is missing or has the wrong shape, and an unsupported setting",
  ignore,
  fn: async () => {
    const { tensors, config } = await fixture("bert");
    const load = (changed: NamedTensors, json: object = config) =>
      loadBert(filesOf({ "config.json": json, "model.safetensors": encodeSafetensors(changed) }));
    const name = "encoder.layer.0.output.dense.weight";
    const without = new Map(tensors);
    without.delete(name);
    const missing = await assertRejects(() => load(without), UserError);
    assertStringIncludes(missing.message, `tensor "${name}" is missing`);
    const other = new Map(tensors).set(name, {
      dtype: "F32",
      shape: [2, 3],
      data: new Float32Array(6),
    });
    const misshapen = await assertRejects(() => load(other), UserError);
    assertStringIncludes(
      misshapen.message,
      `the tensor "${name}" has the shape [2, 3], expected`,
    );
    const roberta = await assertRejects(() => load(tensors, { ...config, model_type: "roberta" }));
    assertStringIncludes((roberta as Error).message, 'model_type is "roberta"');
    const relu = await assertRejects(() => load(tensors, { ...config, hidden_act: "relu" }));
    assertStringIncludes((relu as Error).message, 'hidden_act is "relu"');
    const tall = await assertRejects(() => load(tensors, { ...config, num_hidden_layers: 1e9 }));
    assertStringIncludes((tall as Error).message, "num_hidden_layers is 1000000000, but must be");
    await load(tensors, { ...config, hidden_act: "gelu_python" });
    for (
      const file of ["../x.safetensors", "/x.safetensors", "a\\x.safetensors", ".x.safetensors"]
    ) {
      const index = { weight_map: { a: file } };
      const outside = filesOf({ "model.safetensors.index.json": index });
      const refused = await assertRejects(() => readModelTensors(outside), UserError);
      assertStringIncludes(refused.message, `names ${JSON.stringify(file)}, which is not`);
    }
    const empty = await assertRejects(() => readModelTensors(filesOf({})), UserError);
    assertStringIncludes(empty.message, "has no model.safetensors");
  },
});

/** sin(0.37 i) / 2, as in the Python program. */
function wave(shape: readonly number[]): HostTensor {
  const size = shape.reduce((a, b) => a * b, 1);
  const data = Float32Array.from({ length: size }, (_, i) => 0.5 * Math.sin(0.37 * i));
  return { dtype: "F32", shape, data };
}

for (const device of ["cpu", "onnx"] satisfies DeviceName[]) {
  Deno.test({
    name: `maskedLmLogits() agrees with BertForMaskedLM on ${device}`,
    ignore: ignore || !deviceWorks(device),
    fn: async () => {
      const { tensors, config: json } = await fixture("bert");
      const scaled = (shape: number[], factor: number, plus = 0): HostTensor => {
        const { data, ...rest } = wave(shape);
        return {
          ...rest,
          data: (data as Float32Array).map((x) => plus + factor * x),
        } as HostTensor;
      };
      const [hidden, words] = [32, 97];
      const head = "cls.predictions.transform";
      const whole = new Map([
        ...renamed(
          tensors,
          (name) => `bert.${name}`.replace("LayerNorm.weight", "LayerNorm.gamma"),
        ),
        [`${head}.dense.weight`, wave([hidden, hidden])],
        [`${head}.dense.bias`, wave([hidden])],
        [`${head}.LayerNorm.weight`, scaled([hidden], 0.2, 1)],
        [`${head}.LayerNorm.bias`, scaled([hidden], 0.3)],
        ["cls.predictions.bias", wave([words])],
      ]);
      const files = { "config.json": json, "model.safetensors": encodeSafetensors(whole) };
      const { config, parameters: encoder, head: own } = await loadBert(filesOf(files));
      const { input_ids: ids, attention_mask: mask } = await fixtureJson("bert/case.json");
      const grid = (rows: number[][]) => int32(rows.flat(), [rows.length, rows[0]!.length]);
      const inputs = {
        parameters: { ...encoder, ...own! },
        ids: grid(ids),
        mask: grid(mask),
      };
      const opened = await openDevice(device, { threads: 1 });
      const run = opened.compile<typeof inputs, { logits: HostArray }>(
        ({ parameters, ids, mask }) => {
          const given = { inputIds: ids as tf.Tensor2D, attentionMask: mask as tf.Tensor2D };
          const states = bertStates(parameters, given, config);
          return { logits: maskedLmLogits(parameters, states, config) };
        },
      );
      const { logits: { data } } = await run(inputs);
      await run.dispose();
      const length = ids[0].length;
      const at = (text: number, place: number, word: number) =>
        data[(text * length + place) * words + word]!;
      // From transformers 5 with the same head on the fixture's encoder.
      [0, 1.325, -0.86263, 0.23104, 0.66006, -0.33447]
        .forEach((value, word) => assertAlmostEquals(at(0, 0, word), value, 1e-4));
      [-1.23397, 0.08294, -1.12836, -0.64707, 1.10085, -0.50692]
        .forEach((value, word) => assertAlmostEquals(at(1, 3, 10 + word), value, 1e-4));
      const row = Array.from({ length: words }, (_, word) => at(0, 2, word));
      const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
      assertAlmostEquals(total, 5.50352668762207, 1e-4);
    },
  });
}
