/** Texts as an autoencoder can say them. */
import { encodeTexts } from "../vae/tokenizer_texts.ts";
import type { TextSampleTask } from "./text_sample_session.ts";

/**
 * Cuts texts to what an autoencoder can say, its tokens. An empty text stays one.
 *
 * @throws {UserError} If all of them are empty.
 */
export function cutTexts(
  texts: readonly string[],
  { tokenizer, encoderTokenizer: encoder, config: { maxTokens } }: Omit<
    TextSampleTask["vae"],
    "parameters"
  >,
): string[] {
  const { examples, rows } = encodeTexts(texts, { encoder, decoder: tokenizer, maxTokens });
  const said = texts.map(() => "");
  examples.forEach(({ decoder }, i) => said[rows[i]!] = tokenizer.decode(decoder));
  return said;
}
