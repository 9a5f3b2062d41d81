/**
 * Measures how well a text VAE says held-out hotel reviews again, and writes the figures down.
 *
 *     deno run -P=text tools/measure_text_vae.ts --checkpoint runs/text-hotel_reviews-small-0
 *     deno run -P=text tools/measure_text_vae.ts --checkpoint checkpoints/text-vae --data-dir DIR
 *
 * Texts are those that training held out, each cut to the checkpoint's number of its own tokens and
 * decoded greedily from its latents alone. Prints the figures and ten texts; --out FILE gets them all.
 */
import { openDevice } from "../engine/device.ts";
import { EXIT } from "../engine/errors.ts";
import { loadHotelReviews } from "../datasets/hotel_reviews.ts";
import { measureTextVae, SUBSTITUTED } from "../evaluation/text_vae_quality.ts";
import { randomStream } from "../nn/random.ts";
import { loadCheckpoint } from "../training/checkpoint.ts";
import { resolveCheckpoint } from "../training/checkpoint_folders.ts";
import { integer, text } from "../training/flag_kinds.ts";
import { parseFlags } from "../training/flags.ts";
import { helpText, wantsHelp } from "../training/help.ts";
import { runProgram } from "../training/program.ts";
import { loadTextVae } from "../training/text_vae_checkpoint.ts";
import { compileTextCodec } from "../vae/text_codec.ts";
import { encodeTexts } from "../vae/tokenizer_texts.ts";

const FLAGS = {
  "Measuring": {
    checkpoint: text({ placeholder: "DIR", help: "a run's folder or a checkpoint's" }),
    dataDir: text({ placeholder: "DIR", help: "a folder with the data set's files" }),
    texts: integer({ min: 1, max: 100000, help: "held-out texts; 200 if not given" }),
    threads: integer({ min: 1, max: 1024, help: "threads of the device; all cores if not given" }),
    out: text({ placeholder: "FILE", help: "where the figures go as JSON" }),
  },
};

/** Texts decoded together. */
const BATCH = 50;

/** Original and reconstruction pairs that are printed. */
const SHOWN = 10;

async function main(): Promise<number> {
  if (wantsHelp(Deno.args)) {
    console.log(helpText({
      usage: "deno run -P=text tools/measure_text_vae.ts [flags]",
      about: "Measures a text VAE on held-out hotel reviews.",
      flags: FLAGS,
      presets: {},
    }));
    return EXIT.done;
  }
  const { checkpoint = "checkpoints/text-vae", dataDir, texts = 200, threads, out } = parseFlags(
    Deno.args,
    FLAGS,
  );
  const directory = await resolveCheckpoint(checkpoint, (line) => console.error(line));
  const model = loadTextVae(await loadCheckpoint(directory, { state: false }));
  const { config, tokenizer } = model;
  const data = await loadHotelReviews({
    validationSize: texts,
    ...(dataDir === undefined ? {} : { dataDir }),
  });
  const { examples, truncated } = encodeTexts(data.validation.map(({ text }) => text), {
    ...{ encoder: tokenizer, decoder: tokenizer, maxTokens: config.maxTokens },
  });
  const device = await openDevice("onnx", threads === undefined ? {} : { threads });
  const codec = compileTextCodec(device, model, tokenizer.id("eos"));
  const quality = await measureTextVae(codec, tokenizer, examples, {
    batchSize: Math.min(BATCH, examples.length),
    buckets: [config.maxTokens + 2],
    padId: tokenizer.id("pad"),
    endId: tokenizer.id("eos"),
    random: randomStream(0),
  });
  await codec.dispose();
  const { clean, substituted, noised, noisedArea, latents } = quality;
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  console.log([
    `${data.description}`,
    `${directory}: ${examples.length} held-out reviews, ${truncated} of them cut to ` +
    `${config.maxTokens} of the model's tokens, greedy decoding from the latents alone`,
    `clean: BLEU ${clean.bleu.toFixed(2)}, tokens ${percent(clean.tokenAccuracy)}, whole texts ` +
    percent(clean.exact),
    `${percent(SUBSTITUTED)} of tokens substituted: BLEU ${substituted.bleu.toFixed(2)}, tokens ` +
    percent(substituted.tokenAccuracy),
    `noise on latents: ${noised.map((n) => `${n.deviation}: ${n.bleu.toFixed(2)}`).join(", ")}; ` +
    `area ${noisedArea.toFixed(2)}`,
    `latents: mean ${latents.mean.toFixed(4)}, deviation ${latents.deviation.toFixed(4)}, ` +
    `${latents.active} of ${latents.numbers} numbers active`,
    ...clean.texts.slice(0, SHOWN).flatMap(({ original, reconstruction }) => [
      "",
      `  ${original}`,
      `  ${reconstruction}`,
    ]),
  ].join("\n"));
  if (out !== undefined) {
    await Deno.writeTextFile(
      out,
      JSON.stringify({ ...quality, data: data.sha256 }, null, 2) + "\n",
    );
  }
  return EXIT.done;
}

if (import.meta.main) await runProgram(main);
