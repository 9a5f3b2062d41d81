/** Writes what a text VAE's checkpoint answers, for check_text_vae.py. */
import { openDevice } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { type HostArray, int32 } from "../../engine/tree.ts";
import { constants } from "../../nn/parameters.ts";
import { loadCheckpoint } from "../../training/checkpoint/checkpoint.ts";
import { resolveCheckpoint } from "../../training/checkpoint/folders.ts";
import { loadTextVae } from "../../text/autoencoder/checkpoint.ts";
import { bert } from "../../vae/bert.ts";
import { gpt2 } from "../../vae/gpt2.ts";
import { partOf } from "../../vae/text_vae.ts";

const [run = "", path = ""] = Deno.args;
const folder = await resolveCheckpoint(run);
const { config, parameters, tokenizer } = loadTextVae(await loadCheckpoint(folder));
const text = "the room";
const tokens = tokenizer.encode(text);
const encoderIds = Int32Array.of(tokenizer.id("cls"), ...tokens, tokenizer.id("sep"));
const device = await openDevice("onnx", { threads: 1 });
const answer = device.compile<Record<string, HostArray>, Record<string, HostArray>>((inputs) => {
  const { hiddenSize } = config.encoder;
  const encoder = {
    "pooler.dense.weight": tf.zeros([hiddenSize, hiddenSize]),
    "pooler.dense.bias": tf.zeros([hiddenSize]),
    ...constants(partOf(parameters, "encoder.")),
  };
  const ids = inputs["encoderIds"] as tf.Tensor2D;
  return {
    hidden: bert(encoder, { inputIds: ids }, config.encoder).lastHiddenState,
    logits: gpt2(
      constants(partOf(parameters, "decoder.")),
      inputs["tokens"] as tf.Tensor2D,
      config.decoder,
    ),
  };
});
const { hidden, logits } = await answer({
  encoderIds: int32(encoderIds, [1, encoderIds.length]),
  tokens: int32(tokens, [1, tokens.length]),
});
await Deno.writeTextFile(
  path,
  JSON.stringify({
    ...{ folder, text, tokens: [...tokens], encoderIds: [...encoderIds] },
    hidden: [...hidden!.data],
    logits: [...logits!.data],
  }),
);
