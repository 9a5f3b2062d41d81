import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../engine/errors.ts";
import { initParameters } from "../../nn/parameters.ts";
import { randomStream } from "../../nn/random.ts";
import type { LoadedCheckpoint } from "../../training/checkpoint.ts";
import { loadTextVae, textVaeComponents } from "../../training/text_vae_checkpoint.ts";
import { trainBpe } from "../../vae/bpe_trainer.ts";
import { textVaeSpecs } from "../../vae/text_vae.ts";
import { TextTokenizer } from "../../vae/tokenizer.ts";
import { tinyTextVae } from "../vae/tiny_text_vae.ts";

/** A checkpoint whose model has so many tokens, and its tokenizer 300. */
function checkpointOf(vocabSize: number): LoadedCheckpoint {
  const { tokenizer: json, config } = trainBpe(["a b c"], { vocabSize: 300, splitDigits: false });
  const tiny = tinyTextVae();
  const model = {
    ...tiny,
    encoder: { ...tiny.encoder, vocabSize },
    decoder: { ...tiny.decoder, vocabSize },
  };
  const parameters = initParameters(textVaeSpecs(model), randomStream(0));
  const parts = textVaeComponents(model, new TextTokenizer(json, config), parameters);
  return { ...parts, directory: "somewhere/step-000001" } as unknown as LoadedCheckpoint;
}

Deno.test("loadTextVae() refuses a model that was trained with another tokenizer", () => {
  const { tokenizer, config } = loadTextVae(checkpointOf(300));
  assertEquals([config.encoder.vocabSize >= tokenizer.vocabSize, config.latents], [true, 4]);
  assertThrows(
    () => loadTextVae(checkpointOf(20)),
    UserError,
    "somewhere/step-000001/tokenizer has",
  );
});
