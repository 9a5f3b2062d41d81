/** Published weights. BERT_BASE in the environment names a folder with bert-base-uncased and its head. */
import { assertEquals } from "@std/assert";
import { openDevice } from "../../engine/device.ts";
import type * as tf from "../../engine/tf.ts";
import { type HostArray, int32 } from "../../engine/tree.ts";
import { constants } from "../../nn/parameters.ts";
import { bertStates } from "../../vae/bert.ts";
import { maskedLmLogits } from "../../vae/bert_masked_lm.ts";
import { loadBert } from "../../vae/pretrained.ts";
import { openModelFiles } from "../../datasets/download/hub.ts";
import { loadTokenizer } from "../../vae/tokenizer/files.ts";
import { deviceWorks } from "../devices.ts";
import { permitted } from "../permissions.ts";

const folder = permitted({ name: "env", variable: "BERT_BASE" })
  ? Deno.env.get("BERT_BASE")
  : undefined;

Deno.test({
  name: "maskedLmLogits() predicts the capital of France with bert-base-uncased",
  ignore: folder === undefined || !permitted({ name: "read" }) || !deviceWorks("onnx"),
  fn: async () => {
    const files = await openModelFiles(folder!);
    const { config, parameters, head } = await loadBert(files);
    const tokenizer = await loadTokenizer(folder!, { needs: ["cls", "sep", "mask"] });
    const ids = tokenizer.encode("the capital of france is [MASK].", { addSpecialTokens: true });
    const device = await openDevice("onnx");
    const run = device.compile<{ ids: HostArray }, { logits: HostArray }>(({ ids }) => {
      const weights = constants({ ...parameters, ...head! });
      const states = bertStates(weights, { inputIds: ids as tf.Tensor2D }, config);
      return { logits: maskedLmLogits(weights, states, config) };
    });
    const { logits } = await run({ ids: int32(ids, [1, ids.length]) });
    await run.dispose();
    const place = ids.indexOf(tokenizer.id("mask"));
    const row = logits.data.subarray(place * config.vocabSize, (place + 1) * config.vocabSize);
    const likeliest = row.indexOf((row as Float32Array).reduce((a, b) => Math.max(a, b)));
    assertEquals(tokenizer.token(likeliest), "paris");
  },
});
