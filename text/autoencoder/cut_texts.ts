/** Texts as an autoencoder can say them. */
import { encodeTexts } from "../../vae/tokenizer/texts.ts";
import type { TextSampleTask } from "../sampling/session.ts";

type Vae = Omit<TextSampleTask["vae"], "parameters">;

/**
 * Cuts texts to what an autoencoder can say, its tokens. An empty text stays one.
 *
 * @throws {UserError} If all of them are empty.
 */
export function cutTexts(
  texts: readonly string[],
  { tokenizer, encoderTokenizer: encoder, config: { maxTokens } }: Vae,
): string[] {
  const { examples, rows } = encodeTexts(texts, { encoder, decoder: tokenizer, maxTokens });
  const said = texts.map(() => "");
  examples.forEach(({ decoder }, i) => said[rows[i]!] = tokenizer.decode(decoder));
  return said;
}

/**
 * All of some texts in pieces that an autoencoder can say; empty texts have none.
 *
 * @throws {UserError} If all of them are empty.
 */
export function textPieces(
  texts: readonly string[],
  { tokenizer, encoderTokenizer: encoder, config: { maxTokens } }: Vae,
): string[] {
  const { examples } = encodeTexts(texts, {
    ...{ encoder, decoder: tokenizer, maxTokens, windows: true },
  });
  return examples.map(({ decoder }) => tokenizer.decode(decoder));
}
