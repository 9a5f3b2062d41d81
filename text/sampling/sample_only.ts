/** `--sample-only` of text.ts: texts or answers from a trained run, or a released one, without training. */
import type { Device } from "../../engine/device.ts";
import { usageError, UserError } from "../../base/errors.ts";
import { printable } from "../../base/quote.ts";
import { randomStream } from "../../nn/random.ts";
import { figureLine } from "../../report/report.ts";
import { checkSettings, kebabCase, resolveConfig } from "../../cli/flags.ts";
import { readRecord, RECORD_NAME, type RunRecord } from "../../cli/run_record.ts";
import { loadTextData, noTexts } from "../data.ts";
import { openTextDenoiser } from "../denoiser/checkpoint.ts";
import {
  diffusionSettingsOf,
  isSamplingSetting,
  samplingSettingsOf,
  TEXT_PROGRAM_FLAGS,
  type TextDiffusionConfig,
  type TextSamplingConfig,
} from "../denoiser_flags.ts";
import type { TextConfig, TextFlags } from "../flags.ts";
import { openTextVae } from "../autoencoder/checkpoint.ts";
import { sampleOnce } from "./sample.ts";
import { weightsHash } from "../../training/checkpoint/weights_identity.ts";

/** Texts that are printed. */
const PRINTED = 10;

/** What the record of a denoiser's run holds: its settings and the data set's. */
type Recorded =
  & TextDiffusionConfig
  & Pick<TextConfig, "dataset" | "digits" | "trainSize" | "seed" | "validationSize">;

/** Flags that are taken besides those of sampling; `dataset` has to be the run's. */
const TAKEN: readonly string[] = [
  ...["sampleOnly", "checkpoint", "vae", "preset", "dataset"],
  ...["out", "seed", "device", "threads", "dataDir"],
];

/** @throws {UserError} With exit code 2 for flags that are of no use without training, or only so. */
export function checkSampleOnly(given: TextFlags & Partial<TextSamplingConfig>): void {
  if (!given.sampleOnly) {
    if (given.checkpoint === undefined) return;
    throw usageError("--checkpoint DIR is what --sample-only draws from: give that too.");
  }
  const other = Object.entries(given).find(([key, value]) =>
    value !== undefined && !isSamplingSetting(key) && !TAKEN.includes(key)
  );
  if (other === undefined) return;
  throw usageError(`--sample-only trains nothing: leave --${kebabCase(other[0])} out.`);
}

/** The record of a denoiser, its settings checked. */
async function recordOf(place: string): Promise<RunRecord & { readonly config: Recorded }> {
  const path = `${place}/${RECORD_NAME}`;
  const record = await readRecord(path);
  if (record?.program !== "text-diffusion") {
    const found = record === undefined ? `there is no ${path}` : `${path} is of another program`;
    throw new UserError(
      `${found}: name a run of deno task text with its denoiser by --checkpoint`,
    );
  }
  checkSettings(record.config, TEXT_PROGRAM_FLAGS, path);
  const lacking = ["dataset", "digits"].find((key) => record.config[key] === undefined);
  if (lacking !== undefined) throw new UserError(`${path} lacks ${lacking}: was it edited?`);
  return record as RunRecord & { readonly config: Recorded };
}

/**
 * Draws texts, prints the first and writes all to `samples.jsonl`.
 *
 * @param given The flags.
 * @param checkpoint The folder of a run or of a released one.
 * @param defaultsOf The settings of a data set that neither the flags nor the run's record say.
 * @throws {UserError} If the folder or the flags are unsound.
 */
export async function sampleTextsOnly(
  device: Device,
  given: TextFlags & Partial<TextSamplingConfig>,
  { checkpoint, defaultsOf }: {
    readonly checkpoint: string;
    readonly defaultsOf: (
      recorded: Pick<TextConfig, "dataset" | "digits">,
    ) => TextDiffusionConfig & TextSamplingConfig;
  },
): Promise<void> {
  const place = `${checkpoint}/diffusion`;
  const { config: recorded } = await recordOf(place);
  const { dataset } = recorded;
  if (given.dataset !== undefined && given.dataset !== dataset) {
    throw usageError(`--dataset ${given.dataset}: the texts of ${checkpoint} are ${dataset}.`);
  }
  const settings = resolveConfig({ ...defaultsOf(recorded), ...recorded }, given);
  const config = diffusionSettingsOf(settings);
  const vae = await openTextVae(given.vae ?? checkpoint);
  const model = await openTextDenoiser(place, await weightsHash(vae.parameters));
  const { condition } = config;
  const data = condition === "none" || condition === "rating"
    ? noTexts(condition)
    : await loadTextData(given, settings);
  console.log(`model: ${checkpoint}, ${device.name} device, ${device.threads} threads`);
  const folder = given.out ?? `runs/text-samples-${settings.seed}`;
  const { texts, figures } = await sampleOnce({
    ...{ device, vae, model, data, dataset, config, sampling: samplingSettingsOf(settings) },
    random: randomStream(settings.seed).stream("sampling"),
    folder: `${folder}/samples`,
    now: () => performance.now(),
  });
  for (const { prompt, text } of texts.slice(0, PRINTED)) {
    console.log(prompt === undefined ? "" : `\n${printable(prompt)}`);
    console.log(printable(text));
  }
  console.log("");
  figures.forEach((figure) => console.log(figureLine(figure)));
  console.log(`samples: ${folder}/samples/samples.jsonl`);
}
