/**
 * Measures how well a text VAE reconstructs hotel reviews that its training held out.
 *
 *     deno run -P=text tools/measure_text_vae.ts --checkpoint runs/text-hotel_reviews-small-0
 *     deno run -P=text --allow-read tools/measure_text_vae.ts --data-dir DIR --out runs/figures.json
 *
 * Prints the figures and ten texts. --out writes the figures alone, because this project may not
 * distribute the reviews.
 */
import { openDevice } from "../engine/device.ts";
import { EXIT } from "../base/errors.ts";
import { writeFileAtomic } from "../base/files.ts";
import { type HotelReviews, loadHotelReviews } from "../datasets/hotel_reviews.ts";
import { measureTextVae, SUBSTITUTED, type TextVaeQuality } from "../text/autoencoder/quality.ts";
import type { Reconstruction } from "../text/autoencoder/reconstruction.ts";
import { countParameters } from "../nn/parameters.ts";
import { randomStream } from "../nn/random.ts";
import { loadCheckpoint } from "../training/checkpoint/checkpoint.ts";
import { resolveCheckpoint } from "../training/checkpoint/folders.ts";
import { type FlagValues, integer, parseFlags, text, toggle } from "../cli/flags.ts";
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
    sample: toggle({ help: "use the bundled reviews instead of the public ones" }),
    texts: integer({ min: 1, max: 100000, help: "held-out texts; 200 if not given" }),
    threads: integer({ min: 1, max: 1024, help: "threads of the device; all cores if not given" }),
    out: text({ placeholder: "FILE", help: "write the figures into this file as JSON" }),
    command: text({ placeholder: "TEXT", help: "the command that trained it, for this file" }),
  },
};

/** Texts decoded together. */
const BATCH = 50;

const SHOWN = 10;

interface Measured {
  readonly quality: TextVaeQuality;
  /** The texts, and how they were encoded and compared. */
  readonly protocol: string;
  readonly data: HotelReviews;
  readonly parameters: number;
}

async function measureCheckpoint(
  directory: string,
  { texts = 200, dataDir, sample, threads }: Partial<FlagValues<typeof FLAGS>>,
): Promise<Measured> {
  const model = loadTextVae(await loadCheckpoint(directory));
  const { config, tokenizer, encoderTokenizer } = model;
  const data = await loadHotelReviews({
    validationSize: texts,
    ...(dataDir === undefined ? {} : { dataDir }),
    sampleOnly: sample === true,
  });
  const { examples, truncated } = encodeTexts(data.validation.map(({ text }) => text), {
    encoder: encoderTokenizer,
    decoder: tokenizer,
    maxTokens: config.maxTokens,
    encoderTokens: encoderTokens(config),
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
  const protocol =
    `${examples.length} reviews that training held out, ${truncated} of them truncated to ` +
    `${config.maxTokens} of the model's own tokens; encoded once, decoded greedily from the ` +
    "latents alone; corpus BLEU as sacrebleu's 13a against the truncated texts; tokens: the share " +
    "that is equal at its position; whole: the share of texts without any difference";
  return { quality, protocol, data, parameters: countParameters(textVaeSpecs(config)) };
}

/** The figures and some reconstructions, for a reader. */
function report(directory: string, { quality, protocol, data }: Measured): string {
  const { clean, substituted, noised, noisedArea, latents } = quality;
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  const figures = ({ bleu, tokenAccuracy, exact }: Reconstruction) =>
    `BLEU ${bleu.toFixed(2)}, tokens ${percent(tokenAccuracy)}, whole ${percent(exact)}`;
  const curve = noised.map(({ deviation, bleu }) => `${deviation}: ${bleu.toFixed(2)}`);
  return [
    data.description,
    `${directory}: ${protocol}`,
    `clean: ${figures(clean)}`,
    `${percent(SUBSTITUTED)} of the encoder's tokens substituted: ${figures(substituted)}`,
    `BLEU by the deviation of noise on latents: ${curve.join(", ")}; area ${noisedArea.toFixed(2)}`,
    `latents: mean ${latents.mean.toFixed(4)}, deviation ${latents.deviation.toFixed(4)}, ` +
    `${latents.active} of ${latents.numbers} numbers active`,
    ...clean.texts.slice(0, SHOWN).flatMap(({ original, reconstruction }) => [
      "",
      `  ${original}`,
      `  ${reconstruction}`,
    ]),
  ].join("\n");
}

/** The figures as JSON, without any text. */
function toJson({ quality, protocol, data, parameters }: Measured, command?: string): string {
  const { clean, substituted, noised, noisedArea, latents } = quality;
  const figures = ({ bleu, tokenAccuracy, exact }: Reconstruction) => ({
    bleu,
    tokenAccuracy,
    exact,
  });
  const metrics = {
    protocol,
    command,
    clean: figures(clean),
    substituted: { share: SUBSTITUTED, ...figures(substituted) },
    noised,
    noisedArea,
    latents,
    parameters,
    data: data.sha256,
  };
  return `${JSON.stringify(metrics, null, 2)}\n`;
}

/** Runs the tool. Returns the exit code. */
export async function measure(
  args: string[],
  print: (text: string) => void = console.log,
): Promise<number> {
  if (wantsHelp(args)) {
    print(helpText({
      usage: "deno run -P=text tools/measure_text_vae.ts [flags]",
      about: "Measures a text VAE on held-out hotel reviews.",
      flags: FLAGS,
    }));
    return EXIT.done;
  }
  const given = parseFlags(args, FLAGS);
  const { checkpoint = "checkpoints/text-vae", out, command } = given;
  const directory = await resolveCheckpoint(checkpoint, (line) => console.error(line));
  const measured = await measureCheckpoint(directory, given);
  print(report(directory, measured));
  if (out !== undefined) await writeFileAtomic(out, toJson(measured, command));
  return EXIT.done;
}

if (import.meta.main) await runProgram(() => measure(Deno.args));
