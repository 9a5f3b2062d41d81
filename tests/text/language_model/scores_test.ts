import { assertAlmostEquals, assertEquals } from "@std/assert";
import { openDevice } from "../../../engine/device.ts";
import { compileLanguageReader, perplexityOf } from "../../../text/language_model/scores.ts";
import { IGNORED_LABEL } from "../../../nn/cross_entropy.ts";
import { initParameters } from "../../../nn/parameters.ts";
import { randomStream } from "../../../nn/random.ts";
import { float32 } from "../../../engine/tree.ts";
import { decodeSafetensors } from "../../../nn/safetensors.ts";
import { gpt2Specs } from "../../../vae/gpt2.ts";
import { gpt2ConfigFromJson } from "../../../vae/config_json.ts";
import { fixtureBytes, fixtureJson, hasFixture } from "../../fixtures.ts";

const CONFIG = {
  vocabSize: 7,
  nPositions: 8,
  nEmbd: 4,
  nLayer: 1,
  nHead: 2,
  layerNormEpsilon: 1e-5,
  initializerRange: 0.02,
};

Deno.test("compileLanguageReader() has the vocabulary as the perplexity of a model of zeros", async () => {
  const specs = gpt2Specs(CONFIG);
  const parameters = initParameters(specs, randomStream(0));
  // Without a table of tokens, all logits are zero.
  parameters["transformer.wte.weight"]!.data.fill(0);
  const { read, dispose } = compileLanguageReader(await openDevice("cpu"), {
    config: CONFIG,
    parameters,
  });
  const scores = await read([
    { ids: Int32Array.of(1, 2, 3), given: 1 },
    { ids: Int32Array.of(1, 2, 3, 4, 5), given: 4 },
  ]);
  assertEquals([...scores.counts], [2, 1]);
  assertAlmostEquals(scores.nats[0]!, 2 * Math.log(7), 1e-5);
  assertAlmostEquals(perplexityOf(scores), 7, 1e-5);
  assertEquals([scores.features.data.length, scores.features.width], [8, 4]);
  await dispose();
});

Deno.test({
  name: "compileLanguageReader() has transformers' loss, whatever else is in the batch",
  ignore: !hasFixture("gpt2"),
  fn: async () => {
    const file = "gpt2/model.safetensors";
    const { tensors } = decodeSafetensors(await fixtureBytes(file), file);
    const parameters = Object.fromEntries(
      [...tensors].map(([key, { data, shape }]) => [key, float32(data as Float32Array, shape)]),
    );
    const config = gpt2ConfigFromJson(await fixtureJson("gpt2/config.json"), "fixture");
    const { input_ids: ids, labels, loss } = await fixtureJson("gpt2/case.json");
    const { read, dispose } = compileLanguageReader(await openDevice("onnx", { threads: 1 }), {
      config,
      parameters,
    });
    // Padding at the end has no labels.
    const rows = (ids as number[][]).map((row, i) => {
      const length = (labels as number[][])[i]!.filter((label) => label !== IGNORED_LABEL).length;
      return { ids: Int32Array.from(row.slice(0, length)), given: 1 };
    });
    const scores = await read(rows);
    assertAlmostEquals(Math.log(perplexityOf(scores)), loss as number, 1e-4);
    const alone = await read([{ ids: rows[0]!.ids.subarray(0, 3), given: 1 }]);
    const beside = await read([{ ids: rows[0]!.ids.subarray(0, 3), given: 1 }, rows[1]!]);
    assertAlmostEquals(alone.nats[0]!, beside.nats[0]!, 1e-4);
    alone.features.data.forEach((value, i) =>
      assertAlmostEquals(value, beside.features.data[i]!, 1e-3)
    );
    await dispose();
  },
});
