/**
 * Measures how well a text VAE says held-out hotel reviews again, and writes the figures down.
 *
 *     deno run -P=text tools/measure_text_vae.ts --checkpoint runs/text-hotel_reviews-small-0
 *     deno run -P=text --allow-read tools/measure_text_vae.ts --data-dir DIR --out runs/figures.json
 *
 * Texts are those that training held out, each cut to the checkpoint's number of its own tokens and
 * decoded greedily from its latents alone. Prints the figures and ten texts; --out FILE gets the
 * figures alone, since the reviews are not the project's to pass on.
 */
import { openDevice } from "../engine/device.ts";
import { EXIT } from "../base/errors.ts";
import { writeFileAtomic } from "../base/files.ts";
import { loadHotelReviews } from "../datasets/hotel_reviews.ts";
import { measureTextVae, SUBSTITUTED } from "../text/autoencoder/quality.ts";
import type { Reconstruction } from "../text/autoencoder/reconstruction.ts";
import { countParameters } from "../nn/parameters.ts";
import { randomStream } from "../nn/random.ts";
import { loadCheckpoint } from "../training/checkpoint/checkpoint.ts";
import { resolveCheckpoint } from "../training/checkpoint/folders.ts";
import { integer, text, toggle } from "../cli/flag_kinds.ts";
import { parseFlags } from "../cli/flags.ts";
import { helpText, wantsHelp } from "../cli/help.ts";
import { runProgram } from "../cli/program.ts";
import { loadTextVae } from "../text/autoencoder/checkpoint.ts";
import { exampleLength } from "../vae/batches.ts";
import { compileTextCodec } from "../vae/text_codec.ts";
import { textVaeSpecs } from "../vae/text_vae.ts";
import { encoderTokens } from "../vae/text_vae_config.ts";
import { encodeTexts } from "../vae/tokenizer/texts.ts";

const FLAGS = {
  "Measuring": {
    checkpoint: text({ placeholder: "DIR", help: "a run's folder or a checkpoint's" }),
    dataDir: text({ placeholder: "DIR", help: "a folder with the data set's files" }),
    sample: toggle({ help: "the bundled reviews, in place of the public ones" }),
    texts: integer({ min: 1, max: 100000, help: "held-out texts; 200 if not given" }),
    threads: integer({ min: 1, max: 1024, help: "threads of the device; all cores if not given" }),
    out: text({ placeholder: "FILE", help: "where the figures go as JSON" }),
    command: text({ placeholder: "TEXT", help: "what trained it, to be written down with them" }),
  },
};

/** Texts decoded together. */
const BATCH = 50;

/** Original and reconstruction pairs that are printed. */
const SHOWN = 10;

/**
 * Does what the flags say.
 *
 * @param args The command line.
 * @param print Gets what is to be read.
 * @returns The exit code.
 * @throws {UserError} As reading the checkpoint and the reviews does.
 */
export async function measure(
  args: string[],
  print: (text: string) => void = console.log,
): Promise<number> {
  if (wantsHelp(args)) {
    print(helpText({
      usage: "deno run -P=text tools/measure_text_vae.ts [flags]",
      about: "Measures a text VAE on held-out hotel reviews.",
      flags: FLAGS,
      presets: {},
    }));
    return EXIT.done;
  }
  const given = parseFlags(args, FLAGS);
  const { checkpoint = "checkpoints/text-vae", texts = 200, dataDir, sample } = given;
  const { threads, out, command } = given;
  const directory = await resolveCheckpoint(checkpoint, (line) => console.error(line));
  const model = loadTextVae(await loadCheckpoint(directory, { state: false }));
  const { config, tokenizer, encoderTokenizer } = model;
  const data = await loadHotelReviews({
    validationSize: texts,
    ...(dataDir === undefined ? {} : { dataDir }),
    sampleOnly: sample === true,
  });
  const { examples, truncated } = encodeTexts(data.validation.map(({ text }) => text), {
    ...{
      encoder: encoderTokenizer,
      decoder: tokenizer,
      maxTokens: config.maxTokens,
      encoderTokens: encoderTokens(config),
    },
  });
  const device = await openDevice("onnx", threads === undefined ? {} : { threads });
  const codec = compileTextCodec(device, model, tokenizer.id("eos"));
  const quality = await measureTextVae(codec, tokenizer, examples, {
    batchSize: Math.min(BATCH, examples.length),
    buckets: [Math.max(config.maxTokens + 2, ...examples.map(exampleLength))],
    encoderTokenizer,
    padId: encoderTokenizer.id("pad"),
    endId: tokenizer.id("eos"),
    random: randomStream(0),
  });
  await codec.dispose();
  const { clean, substituted, noised, noisedArea, latents } = quality;
  const protocol =
    `${examples.length} reviews that training held out, ${truncated} of them cut to ` +
    `${config.maxTokens} of the model's own tokens; encoded once, decoded greedily from the latents ` +
    "alone; corpus BLEU as sacrebleu's 13a against the cut texts; tokens: those that stand at their " +
    "place; whole: texts without any difference";
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  const figures = ({ bleu, tokenAccuracy, exact }: Reconstruction) =>
    `BLEU ${bleu.toFixed(2)}, tokens ${percent(tokenAccuracy)}, whole ${percent(exact)}`;
  print([
    data.description,
    `${directory}: ${protocol}`,
    `clean: ${figures(clean)}`,
    `${percent(SUBSTITUTED)} of the encoder's tokens substituted: ${figures(substituted)}`,
    `BLEU by the deviation of noise on latents: ${
      noised.map(({ deviation, bleu }) => `${deviation}: ${bleu.toFixed(2)}`).join(", ")
    }; area ${noisedArea.toFixed(2)}`,
    `latents: mean ${latents.mean.toFixed(4)}, deviation ${latents.deviation.toFixed(4)}, ` +
    `${latents.active} of ${latents.numbers} numbers active`,
    ...clean.texts.slice(0, SHOWN).flatMap(({ original, reconstruction }) => [
      "",
      `  ${original}`,
      `  ${reconstruction}`,
    ]),
  ].join("\n"));
  if (out !== undefined) {
    const parts = ({ bleu, tokenAccuracy, exact }: Reconstruction) => ({
      ...{ bleu, tokenAccuracy, exact },
    });
    const metrics = {
      protocol,
      ...(command === undefined ? {} : { command }),
      clean: parts(clean),
      substituted: { share: SUBSTITUTED, ...parts(substituted) },
      ...{ noised, noisedArea, latents },
      parameters: countParameters(textVaeSpecs(config)),
      data: data.sha256,
    };
    await writeFileAtomic(out, JSON.stringify(metrics, null, 2) + "\n");
  }
  return EXIT.done;
}

if (import.meta.main) await runProgram(() => measure(Deno.args));
