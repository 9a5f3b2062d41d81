/**
 * The network of masked diffusion: a BERT with its masked-LM head. Where tokens are cells of a board, further
 * tables of positions are added to BERT's while it is trained: cells of a row share a vector. In files they
 * are part of BERT's table, so that BertForMaskedLM opens them.
 */
import * as tf from "../../engine/tf.ts";
import { float32 } from "../../engine/tree.ts";
import { lookup } from "../../nn/layers.ts";
import {
  type HostParameters,
  parameter,
  type Parameters,
  type ParameterSpecs,
} from "../../nn/parameters.ts";
import { type BertConfig, bertEncoderSpecs, bertStates } from "../../vae/bert.ts";
import { maskedLmLogits, maskedLmSpecs } from "../../vae/bert_masked_lm.ts";

/** Groups of positions: the index of each position's group, by the table's name. */
export type PositionGroups = Readonly<Record<string, readonly number[]>>;

const POSITIONS = "embeddings.position_embeddings.weight";
const GROUP_PREFIX = "position_groups.";
const tableOf = (name: string) => `${GROUP_PREFIX}${name}.weight`;

/** The parameters of a BERT with its masked-LM head. */
export function maskedBertSpecs(config: BertConfig): ParameterSpecs {
  return { ...bertEncoderSpecs(config), ...maskedLmSpecs(config) };
}

/** The parameters that are trained: a BERT's, and a table for each group of positions. */
export function maskedTrainingSpecs(config: BertConfig, groups: PositionGroups): ParameterSpecs {
  const tables = Object.entries(groups).map(([name, indices]) => [tableOf(name), {
    shape: [Math.max(...indices) + 1, config.hiddenSize],
    initializer: { deviation: config.initializerRange },
  }]);
  return { ...maskedBertSpecs(config), ...Object.fromEntries(tables) };
}

/** Predictions at each position [B N, V] of tokens [B, N]. */
export function maskedLogits(
  parameters: Parameters,
  inputIds: tf.Tensor2D,
  config: BertConfig,
  groups: PositionGroups = {},
): tf.Tensor2D {
  const positions = Object.entries(groups).reduce((sum, [name, indices]) => {
    const table = parameter(parameters, tableOf(name)) as tf.Tensor2D;
    const rows = lookup(table, tf.tensor2d([...indices], [1, indices.length], "int32"));
    return tf.add(sum, tf.reshape(rows, sum.shape));
  }, parameter(parameters, POSITIONS));
  const states = bertStates({ ...parameters, [POSITIONS]: positions }, { inputIds }, config);
  return tf.reshape(maskedLmLogits(parameters, states, config), [-1, config.vocabSize]);
}

/** The parameters of {@linkcode maskedBertSpecs}, with the tables added to BERT's table of positions. */
export function foldPositionGroups(
  trained: HostParameters,
  groups: PositionGroups,
): HostParameters {
  const { data, shape } = trained[POSITIONS]!;
  const positions = Float32Array.from(data);
  const hidden = shape[1]!;
  for (const [name, indices] of Object.entries(groups)) {
    const table = trained[tableOf(name)]!.data;
    indices.forEach((row, position) => {
      for (let i = 0; i < hidden; i++) {
        positions[position * hidden + i]! += table[row * hidden + i]!;
      }
    });
  }
  const own = Object.entries(trained).filter(([name]) => !name.startsWith(GROUP_PREFIX));
  return { ...Object.fromEntries(own), [POSITIONS]: float32(positions, shape) };
}
