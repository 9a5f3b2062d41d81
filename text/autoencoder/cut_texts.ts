/** Texts cut to the length of an autoencoder. */
import { encodeTexts } from "../../vae/tokenizer/texts.ts";
import type { LoadedTextVae } from "./checkpoint.ts";

type Vae = Omit<LoadedTextVae, "parameters">;

/** Cuts texts to the maximum number of tokens of an autoencoder. Empty texts stay empty; not all may be. */
export function cutTexts(
  texts: readonly string[],
  { tokenizer, encoderTokenizer: encoder, config: { maxTokens } }: Vae,
): string[] {
  const { examples, rows } = encodeTexts(texts, { encoder, decoder: tokenizer, maxTokens });
  const cut = texts.map(() => "");
  examples.forEach(({ decoder }, i) => cut[rows[i]!] = tokenizer.decode(decoder));
  return cut;
}

/** Splits texts into pieces of that length. Empty texts have no pieces; not all may be. */
export function textPieces(
  texts: readonly string[],
  { tokenizer, encoderTokenizer: encoder, config: { maxTokens } }: Vae,
): string[] {
  const { examples } = encodeTexts(texts, {
    encoder,
    decoder: tokenizer,
    maxTokens,
    windows: true,
  });
  return examples.map(({ decoder }) => tokenizer.decode(decoder));
}
