import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import * as tf from "../../../engine/tf.ts";
import { openDevice } from "../../../engine/device.ts";
import { type HostArray, int32 } from "../../../engine/tree.ts";
import { constants, type HostParameters, initParameters } from "../../../nn/parameters.ts";
import { randomStream } from "../../../nn/random.ts";
import {
  foldPositionGroups,
  maskedBertSpecs,
  maskedLogits,
  maskedTrainingSpecs,
  type PositionGroups,
} from "../../../text/masked/network.ts";

const CONFIG = {
  vocabSize: 5,
  hiddenSize: 8,
  numHiddenLayers: 2,
  numAttentionHeads: 2,
  intermediateSize: 16,
  maxPositionEmbeddings: 4,
  typeVocabSize: 2,
  layerNormEps: 1e-12,
  initializerRange: 0.5,
};
const GROUPS = { row: [0, 0, 1, 1], column: [0, 1, 0, 1] };

Deno.test("maskedTrainingSpecs() adds a table for each group to the parameters of BertForMaskedLM", () => {
  const [bert, trained] = [maskedBertSpecs(CONFIG), maskedTrainingSpecs(CONFIG, GROUPS)];
  const added = Object.entries(trained).filter(([name]) => !(name in bert));
  assertEquals(added.map(([name, { shape }]) => [name, ...shape]), [
    ["position_groups.row.weight", 2, 8],
    ["position_groups.column.weight", 2, 8],
  ]);
  assertEquals(maskedTrainingSpecs(CONFIG, {}), bert);
});

Deno.test("foldPositionGroups() gives a BERT with the same predictions and without the tables", async () => {
  const trained = initParameters(maskedTrainingSpecs(CONFIG, GROUPS), randomStream(0));
  const folded = foldPositionGroups(trained, GROUPS);
  assertEquals(Object.keys(folded).sort(), Object.keys(maskedBertSpecs(CONFIG)).sort());
  const tensors = tf.memory().numTensors;
  await using device = await openDevice("onnx", { threads: 1 });
  const logitsOf = async (parameters: HostParameters, groups: PositionGroups) => {
    const compiled = device.compile<{ ids: HostArray }, { logits: HostArray }>(({ ids }) => ({
      logits: maskedLogits(constants(parameters), ids as tf.Tensor2D, CONFIG, groups),
    }));
    const { logits } = await compiled({ ids: int32([0, 1, 2, 3, 4, 0, 0, 1], [2, 4]) });
    await compiled.dispose();
    return logits;
  };
  const [before, after, without] = [
    await logitsOf(trained, GROUPS),
    await logitsOf(folded, {}),
    await logitsOf(trained, {}),
  ];
  assertEquals(before.shape, [8, 5]);
  before.data.forEach((logit, i) => assertAlmostEquals(after.data[i]!, logit, 1e-4));
  assert(before.data.some((logit, i) => Math.abs(logit - without.data[i]!) > 0.1));
  assertEquals(tf.memory().numTensors, tensors);
});
