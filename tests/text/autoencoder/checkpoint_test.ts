import { assertEquals, assertStrictEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UserError } from "../../../base/errors.ts";
import { float32 } from "../../../engine/tree.ts";
import { initParameters } from "../../../nn/parameters.ts";
import { randomStream } from "../../../nn/random.ts";
import type { Component, LoadedCheckpoint } from "../../../training/checkpoint/checkpoint.ts";
import {
  loadTextVae,
  textVaeComponents,
  withHashes,
} from "../../../text/autoencoder/checkpoint.ts";
import { trainBpe } from "../../../vae/tokenizer/bpe.ts";
import { textVaeSpecs } from "../../../vae/text_vae.ts";
import { TextTokenizer } from "../../../vae/tokenizer/tokenizer.ts";
import { tinyTextVae } from "../../vae/tiny_text_vae.ts";

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

/** A sound checkpoint with one component's parts replaced. */
function withPart(folder: string, changed: Partial<Component>): LoadedCheckpoint {
  const sound = checkpointOf(300);
  const component = { ...sound.components[folder]!, ...changed };
  return { ...sound, components: { ...sound.components, [folder]: component } };
}

Deno.test("loadTextVae() names the file and the tensor if a shape is wrong or a tensor is missing", () => {
  const tensors: readonly (readonly [folder: string, name: string])[] = [
    ["encoder", "encoder.layer.0.output.dense.weight"],
    ["decoder", "transformer.h.1.mlp.c_fc.weight"],
    ["vae", "adapter.weight"],
  ];
  for (const [folder, name] of tensors) {
    const { weights } = checkpointOf(300).components[folder]!;
    const { shape } = weights!.get(name)!;
    const other = { dtype: "F32", shape: [2, 3], data: new Float32Array(6) } as const;
    const misshapen = assertThrows(
      () => loadTextVae(withPart(folder, { weights: new Map(weights).set(name, other) })),
      UserError,
    );
    assertStringIncludes(misshapen.message, `somewhere/step-000001/${folder}`);
    assertStringIncludes(
      misshapen.message,
      `tensor "${name}" has the shape [2, 3], expected [${shape.join(", ")}]`,
    );
    const without = new Map(weights);
    without.delete(name);
    const missing = assertThrows(
      () => loadTextVae(withPart(folder, { weights: without })),
      UserError,
    );
    assertStringIncludes(missing.message, `tensor "${name}" is missing`);
  }
});

Deno.test("loadTextVae() refuses halves of different models, and tokenizers without special tokens", () => {
  const { config } = checkpointOf(300).components["vae"]!;
  const refuses = (checkpoint: LoadedCheckpoint, message: string) => {
    const error = assertThrows(() => loadTextVae(checkpoint), UserError);
    assertStringIncludes(error.message, message);
  };
  refuses(
    withPart("vae", { config: { ...config, max_tokens: 60 } }),
    "Texts of 60 tokens take 62 positions of the encoder, which has 20",
  );
  refuses(
    withPart("vae", { config: { ...config, latent_kind: "other" } }),
    'somewhere/step-000001/vae/config.json: latent_kind is "other"',
  );
  refuses(
    withPart("vae", { config: { ...config, decoder_noise: -1 } }),
    "somewhere/step-000001/vae/config.json: decoder_noise is -1, but must be a number from 0 up",
  );
  const noisy = loadTextVae(withPart("vae", { config: { ...config, decoder_noise: 2.5 } }));
  assertEquals(noisy.config.decoderNoise, 2.5);
  const { config: named } = checkpointOf(300).components["tokenizer"]!;
  refuses(
    withPart("tokenizer", { config: { ...named, cls_token: "[NONE]" } }),
    'somewhere/step-000001/tokenizer/tokenizer.json lacks the special token "[NONE]" (cls)',
  );
  refuses(
    withPart("tokenizer", { files: new Map() }),
    "somewhere/step-000001/tokenizer lacks tokenizer.json",
  );
});

Deno.test("loadTextVae() returns both tokenizers of a checkpoint with two", () => {
  const trained = (text: string) => {
    const { tokenizer, config } = trainBpe([text], { vocabSize: 300, splitDigits: false });
    return new TextTokenizer(tokenizer, config);
  };
  const [decoderTokens, encoderTokens] = [trained("a b c"), trained("hotel hotel hotel room room")];
  const tiny = tinyTextVae();
  const model = {
    ...tiny,
    encoder: { ...tiny.encoder, vocabSize: 300 },
    decoder: { ...tiny.decoder, vocabSize: 300 },
  };
  const parameters = initParameters(textVaeSpecs(model), randomStream(0));
  const parts = textVaeComponents(model, decoderTokens, parameters, encoderTokens);
  const loaded = loadTextVae({ ...parts, directory: "x", verified: true });
  assertEquals(loaded.tokenizer.json, decoderTokens.json);
  assertEquals(loaded.encoderTokenizer.json, encoderTokens.json);
  // One tokenizer is one object: encodeTexts() then encodes only once.
  const one = loadTextVae(checkpointOf(300));
  assertStrictEquals(one.encoderTokenizer, one.tokenizer);
});

Deno.test("withHashes() has a hash of what makes latents that does not depend on the decoder", () => {
  const vae = loadTextVae(checkpointOf(300));
  const { hash, latentsHash } = withHashes(vae);
  const changed = (name: string) => {
    const { data, shape } = vae.parameters[name]!;
    const other = float32(new Float32Array(data.length).fill(0.25), shape);
    return withHashes({ ...vae, parameters: { ...vae.parameters, [name]: other } });
  };
  for (const name of ["decoder.transformer.h.1.mlp.c_fc.weight", "vae.adapter.weight"]) {
    const found = changed(name);
    assertEquals([found.hash === hash, found.latentsHash === latentsHash], [false, true]);
  }
  const found = changed("encoder.encoder.layer.0.output.dense.weight");
  assertEquals([found.hash === hash, found.latentsHash === latentsHash], [false, false]);
});
