/**
 * Predicts masked words with a published BERT and its masked-token head.
 *
 *     deno run -A examples/masked_words.ts FOLDER "the capital of france is [MASK]."
 *
 * FOLDER has bert-base-uncased as a hub holds it: config.json, model.safetensors and vocab.txt.
 */
import {
  bertStates,
  constants,
  type HostArray,
  int32,
  loadBert,
  loadTokenizer,
  maskedLmLogits,
  openDevice,
  openModelFiles,
} from "../mod.ts";
import type { Tensor2D } from "../types.ts";

const [folder, text = "the capital of france is [MASK]."] = Deno.args;
if (folder === undefined) throw new Error("name a folder with bert-base-uncased");
const { config, parameters, head } = await loadBert(await openModelFiles(folder));
if (head === undefined) throw new Error(`${folder} has no head for masked tokens`);
const tokenizer = await loadTokenizer(folder, { needs: ["cls", "sep", "mask"] });
const ids = tokenizer.encode(text, { addSpecialTokens: true });

const device = await openDevice("onnx");
const predict = device.compile<{ ids: HostArray }, HostArray>(({ ids }) => {
  const weights = constants({ ...parameters, ...head });
  const states = bertStates(weights, { inputIds: ids as Tensor2D }, config);
  return maskedLmLogits(weights, states, config);
});
const logits = await predict({ ids: int32(ids, [1, ids.length]) });
ids.forEach((id, i) => {
  if (id !== tokenizer.id("mask")) return;
  const row = Array.from<number>(
    logits.data.subarray(i * config.vocabSize, (i + 1) * config.vocabSize),
  );
  const best = row.map((_, token) => token).sort((a, b) => row[b]! - row[a]!).slice(0, 5);
  console.log(best.map((token) => tokenizer.token(token)).join(", "));
});
await predict.dispose();
