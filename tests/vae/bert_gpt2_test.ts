import { assertAlmostEquals, assertEquals } from "@std/assert";
import { bert, type BertConfig, bertSpecs } from "../../vae/bert.ts";
import { gpt2, type Gpt2Config, gpt2Loss, gpt2Specs } from "../../vae/gpt2.ts";
import { compileGpt2Decoder } from "../../vae/gpt2_decoder.ts";
import { type DeviceName, openDevice } from "../../engine/device.ts";
import { DEVICE_NAMES } from "../../engine/device_names.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray, int32 } from "../../engine/tree.ts";
import { crossEntropy } from "../../nn/cross_entropy.ts";
import { checkParameters, type HostParameters, type Parameters } from "../../nn/parameters.ts";
import { decodeSafetensors } from "../../nn/safetensors.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";
import { fixtureBytes, fixtureJson, hasFixture } from "../fixtures.ts";

/** All devices; those that are not set up are skipped. */
const DEVICES: readonly DeviceName[] = DEVICE_NAMES;

async function load(name: string) {
  const file = `${name}/model.safetensors`;
  const { tensors } = decodeSafetensors(await fixtureBytes(file), file);
  const parameters: HostParameters = Object.fromEntries(
    [...tensors].map(([key, { data, shape }]) => [key, float32(data as Float32Array, shape)]),
  );
  return {
    parameters,
    json: await fixtureJson(`${name}/config.json`),
    fixture: await fixtureJson(`${name}/case.json`),
  };
}

function grid(rows: readonly (readonly number[])[]): HostArray {
  return int32(rows.flat(), [rows.length, rows[0]!.length]);
}

/** A loss and its gradients with respect to the named parameters. */
function lossAndGradients(
  parameters: Parameters,
  names: readonly string[],
  loss: (parameters: Parameters) => tf.Scalar,
): { loss: tf.Tensor; gradients: Record<string, tf.Tensor> } {
  const { value, grads } = tf.valueAndGrads((...weights: tf.Tensor[]) =>
    loss({ ...parameters, ...Object.fromEntries(names.map((name, i) => [name, weights[i]!])) })
  )(names.map((name) => parameters[name]!));
  return { loss: value, gradients: Object.fromEntries(names.map((name, i) => [name, grads[i]!])) };
}

function assertGradients(found: Record<string, HostArray>, norms: Record<string, number>) {
  for (const [name, norm] of Object.entries(norms)) {
    const { data } = found[name]!;
    assertAlmostEquals(Math.hypot(...data), norm, 1e-5 + 1e-4 * norm, `gradient norm of ${name}`);
  }
}

type GradientOutputs = { loss: HostArray; gradients: Record<string, HostArray> };

for (const device of DEVICES) {
  Deno.test({
    name: `bert() gives transformers' outputs, loss and gradients under padding on ${device}`,
    ignore: !hasFixture("bert") || !deviceWorks(device),
    fn: async () => {
      const { parameters, json, fixture } = await load("bert");
      const config: BertConfig = {
        vocabSize: json.vocab_size,
        hiddenSize: json.hidden_size,
        numHiddenLayers: json.num_hidden_layers,
        numAttentionHeads: json.num_attention_heads,
        intermediateSize: json.intermediate_size,
        maxPositionEmbeddings: json.max_position_embeddings,
        typeVocabSize: json.type_vocab_size,
        layerNormEps: json.layer_norm_eps,
        initializerRange: json.initializer_range,
      };
      checkParameters(parameters, bertSpecs(config), "bert");
      const ids = grid(fixture.input_ids);
      const inputs = {
        parameters,
        ids,
        mask: grid(fixture.attention_mask),
        target: float32(fixture.target, [...ids.shape, config.hiddenSize]),
      };
      const { compile } = await openDevice(device, { threads: 1 });
      const run = compile<typeof inputs, GradientOutputs & Record<"hidden" | "pooled", HostArray>>(
        ({ parameters, ids, mask, target }) => {
          const apply = (parameters: Parameters) =>
            bert(parameters, {
              inputIds: ids as tf.Tensor2D,
              attentionMask: mask as tf.Tensor2D,
            }, config);
          const counted = tf.expandDims(tf.cast(mask, "float32"), -1);
          const { lastHiddenState: hidden, poolerOutput: pooled } = apply(parameters);
          return {
            hidden,
            pooled,
            ...lossAndGradients(parameters, Object.keys(fixture.grad_norm), (weights) => {
              const error = tf.squaredDifference(apply(weights).lastHiddenState, target);
              const sum = tf.sum(tf.mul(error, counted));
              return tf.div(sum, tf.mul(tf.sum(counted), config.hiddenSize)) as tf.Scalar;
            }),
          };
        },
      );
      const { hidden, pooled, loss, gradients } = await run(inputs);
      await run.dispose();
      assertAllClose(hidden.data, fixture.last_hidden_state, { atol: 1e-4, rtol: 1e-4 });
      assertAllClose(pooled.data, fixture.pooler_output, { atol: 1e-4, rtol: 1e-4 });
      assertAlmostEquals(loss.data[0]!, fixture.loss_value, 1e-5 * fixture.loss_value);
      assertGradients(gradients, fixture.grad_norm);
    },
  });

  Deno.test({
    name:
      `gpt2() and its decoder give transformers' logits, losses, gradients and tokens on ${device}`,
    ignore: !hasFixture("gpt2") || !deviceWorks(device),
    fn: async () => {
      const { parameters, json, fixture } = await load("gpt2");
      const config: Gpt2Config = {
        vocabSize: json.vocab_size,
        nPositions: json.n_positions,
        nEmbd: json.n_embd,
        nLayer: json.n_layer,
        nHead: json.n_head,
        layerNormEpsilon: json.layer_norm_epsilon,
        initializerRange: json.initializer_range,
      };
      checkParameters(parameters, gpt2Specs(config), "gpt2");
      const ids = grid(fixture.input_ids);
      const [batch, length] = ids.shape as [number, number];
      const prefix = float32(fixture.prefix, fixture.prefix_shape);
      const inputs = { parameters, ids, labels: grid(fixture.labels), prefix };
      const opened = await openDevice(device, { threads: 1 });
      type Outputs =
        & GradientOutputs
        & Record<"logits" | "prefixLogits" | "prefixLoss", HostArray>;
      const run = opened.compile<typeof inputs, Outputs>(({ parameters, ids, labels, prefix }) => {
        const tokens = ids as tf.Tensor2D;
        const width = config.vocabSize;
        const all = gpt2(parameters, tokens, config, prefix as tf.Tensor3D);
        const prefixLogits = tf.slice(all, [0, prefix.shape[1]! - 1, 0], [batch, length, width]);
        return {
          logits: gpt2(parameters, tokens, config),
          prefixLogits,
          prefixLoss: crossEntropy(tf.reshape(prefixLogits, [-1, width]), tf.reshape(ids, [-1])),
          ...lossAndGradients(parameters, Object.keys(fixture.grad_norm), (weights) => {
            return gpt2Loss(weights, tokens, config, labels as tf.Tensor2D);
          }),
        };
      });
      const { logits, prefixLogits, prefixLoss, loss, gradients } = await run(inputs);
      await run.dispose();
      assertAllClose(logits.data, fixture.logits, { atol: 1e-4, rtol: 1e-4 });
      assertAllClose(prefixLogits.data, fixture.prefix_logits, { atol: 1e-4, rtol: 1e-4 });
      assertAlmostEquals(prefixLoss.data[0]!, fixture.prefix_loss, 1e-5 * fixture.prefix_loss);
      assertAlmostEquals(loss.data[0]!, fixture.loss, 1e-5 * fixture.loss);
      assertGradients(gradients, fixture.grad_norm);

      const expected = fixture.greedy_from_prefix as number[][];
      const count = expected[0]!.length;
      const capacity = prefix.shape[1]! - 1 + count;
      const decoder = compileGpt2Decoder(opened, parameters, config, capacity);
      const tokens = await decoder.greedy(prefix, count);
      await decoder.dispose();
      assertEquals([...tokens], expected.flat());
    },
  });
}
