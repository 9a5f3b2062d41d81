/**
 * Encodes a review into latents and decodes it from these, greedily and by beam search.
 *
 *     deno run -A examples/beam_search.ts ["a text"]
 */
import { compileTextCodec, int32, openDevice, openTextVae } from "../mod.ts";

const [text = "nice hotel great location, friendly staff clean rooms"] = Deno.args;
const vae = await openTextVae("checkpoints/text-vae");
const { tokenizer, encoderTokenizer, config } = vae;
const codec = compileTextCodec(await openDevice("onnx"), vae, tokenizer.id("eos"));

// The encoder's text is [CLS], the tokens, [SEP], padded to the length that the latents cover.
const ids = encoderTokenizer.encode(text, { addSpecialTokens: true });
const length = config.encoder.maxPositionEmbeddings;
if (ids.length > length) throw new Error(`the text has ${ids.length} tokens of at most ${length}`);
const inputIds = new Int32Array(length).fill(encoderTokenizer.id("pad"));
inputIds.set(ids);
const latents = await codec.encode({
  inputIds: int32(inputIds, [1, length]),
  attentionMask: int32(inputIds.map((_, i) => i < ids.length ? 1 : 0), [1, length]),
});

const [greedy] = await codec.decode(latents);
const [best] = await codec.decode(latents, { method: "beam", beams: 4 });
console.log(`greedy: ${tokenizer.decode(greedy!)}`);
console.log(`beam:   ${tokenizer.decode(best!)}`);
await codec.dispose();
