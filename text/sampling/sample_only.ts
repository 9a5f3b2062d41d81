/** `--sample-only` of text.ts: texts or answers from a trained run or a released checkpoint. */
import { usageError, UserError } from "../../base/errors.ts";
import { checkSettings, kebabCase } from "../../cli/flags.ts";
import { printResult } from "../../cli/output.ts";
import { newFolder } from "../../cli/samples_folder.ts";
import { readRecord, RECORD_NAME } from "../../cli/run_record.ts";
import type { Device } from "../../engine/device.ts";
import { randomStream } from "../../nn/random.ts";
import { writeReport } from "../../report/report.ts";
import { partsOf, sampledTexts, trajectoryTexts } from "../evaluation/report.ts";
import { openTextVae } from "../autoencoder/checkpoint.ts";
import { loadTextData } from "../data.ts";
import { openTextDenoiser } from "../denoiser/checkpoint.ts";
import { checkMaskedFlags } from "../masked/run.ts";
import { TEXT_FLAGS } from "../denoiser_flags.ts";
import {
  flatSettings,
  groupOfFlag,
  nestSettings,
  type SomeSettings,
  type TextConfig,
  type TextFlags,
  type TextSettings,
  withChanges,
} from "../settings.ts";
import { isTextCondition } from "../examples.ts";
import { noTexts } from "../labelled_texts.ts";
import { checkSamplingFlags, checkTextSampling, requestedClass, sampleOnce } from "./sample.ts";

/** Texts that are printed. */
const PRINTED = 10;

/** Flags that are allowed besides those of sampling; `dataset` must be the run's. */
const ALLOWED: readonly string[] = [
  "sampleOnly",
  "checkpoint",
  "vae",
  "preset",
  "dataset",
  "texts",
  "problems",
  "out",
  "seed",
  "device",
  "threads",
  "dataDir",
  "puzzles",
  "givens",
  "level",
  "unmaskingOrder",
  "quiet",
  "json",
];

/** @throws {UserError} With exit code 2 for flags of training, or `--checkpoint` without `--sample-only`. */
export function checkSampleOnly(given: TextFlags): void {
  if (!given.sampleOnly) {
    if (given.checkpoint === undefined) return;
    throw usageError("--checkpoint DIR is for --sample-only: give that too.");
  }
  const other = Object.entries(given).find(([key, value]) =>
    value !== undefined && groupOfFlag(key) !== "sampling" && !ALLOWED.includes(key)
  );
  if (other === undefined) return;
  throw usageError(`--sample-only trains nothing: leave --${kebabCase(other[0])} out.`);
}

interface Recorded {
  /** The denoiser's settings, the data set's, and those it was last sampled with. */
  readonly settings: SomeSettings & { autoencoder: Pick<TextConfig, "dataset" | "digits"> };
  readonly labels: readonly string[] | undefined;
}

/** What the record of a denoiser's run has. */
async function readRecorded(folder: string): Promise<Recorded> {
  const path = `${folder}/${RECORD_NAME}`;
  const record = await readRecord(path);
  if (record?.program !== "text-diffusion") {
    const problem = record === undefined ? `there is no ${path}` : `${path} is of another program`;
    throw new UserError(
      `${problem}: name a run of deno task text with its denoiser by --checkpoint`,
    );
  }
  checkSettings(record.config, TEXT_FLAGS, path);
  const later: object = Object.assign({}, ...record.sessions.map(({ settings }) => settings ?? {}));
  checkSettings(later, TEXT_FLAGS, path);
  const { autoencoder = {}, ...others } = nestSettings(record.config);
  const { sampling } = nestSettings(later);
  const { dataset, digits } = autoencoder;
  if (dataset === undefined || digits === undefined) {
    const missing = dataset === undefined ? "dataset" : "digits";
    throw new UserError(`${path} lacks ${missing}: was it edited?`);
  }
  return {
    settings: {
      ...others,
      sampling: sampling ?? {},
      autoencoder: { ...autoencoder, dataset, digits },
    },
    labels: record.data[0]?.classNames,
  };
}

/**
 * Generates texts or answers, writes all to `samples.jsonl` and logs the first. Neither flags nor the run's
 * record contain the settings of `defaultsOf`.
 */
export async function sampleTextsOnly(
  device: Device,
  given: TextFlags,
  { checkpoint, defaultsOf, log, warn }: {
    readonly checkpoint: string;
    readonly defaultsOf: (data: Pick<TextConfig, "dataset" | "digits">) => TextSettings;
    readonly log: (line: string) => void;
    readonly warn: (line: string) => void;
  },
): Promise<void> {
  const folder = `${checkpoint}/diffusion`;
  const { settings: recorded, labels } = await readRecorded(folder);
  const { dataset } = recorded.autoencoder;
  const own = given.preset === undefined ? recorded : { ...recorded, sampling: {} };
  if (given.dataset !== undefined && given.dataset !== dataset) {
    throw usageError(`--dataset ${given.dataset}: the texts of ${checkpoint} are ${dataset}.`);
  }
  const settings = withChanges(defaultsOf(own.autoencoder), own, nestSettings(given));
  const { autoencoder, denoiser: config, sampling } = settings;
  checkMaskedFlags(given, settings);
  checkSamplingFlags(given, { dataset, condition: config.condition, sampler: sampling.sampler });
  checkTextSampling(sampling, config);
  const vae = await openTextVae(given.vae ?? checkpoint, warn);
  const model = await openTextDenoiser(folder, vae, warn);
  const { condition } = config;
  const data = isTextCondition(condition)
    ? await loadTextData(given, autoencoder, { log: warn })
    : noTexts(condition, labels);
  requestedClass(sampling, data.examples(config).classes);
  if (data.description !== "") log(data.description);
  log(`model: ${checkpoint}, ${device.name} device, ${device.threads} threads`);
  const { sampler, sampleSteps, guidance, finalSigma } = sampling;
  log(
    `sampling: ${sampler}, ${sampleSteps} steps, guidance ${guidance}, final sigma ${finalSigma}, ` +
      `seed ${autoencoder.seed}`,
  );
  const out = await newFolder(given.out, `runs/text-samples-${autoencoder.seed}`);
  const { texts, figures } = await sampleOnce({
    device,
    vae,
    model,
    data,
    dataset,
    config,
    sampling,
    random: randomStream(autoencoder.seed).stream("sampling"),
    folder: `${out}/samples`,
    now: () => performance.now(),
    log,
  });
  const shown = texts.slice(0, PRINTED);
  log(`the first ${shown.length} of ${texts.length} samples:`);
  const report = await writeReport(out, {
    title: `${dataset}: ${texts.length} samples of ${checkpoint.split("/").at(-1)}`,
    summary: `${sampler}, ${sampleSteps} steps, guidance ${guidance}, seed ${autoencoder.seed}`,
    figures,
    texts: [...sampledTexts({ texts }), ...await trajectoryTexts(`${out}/samples`)],
    config: flatSettings({ sampling }),
    origin: { checkpoint },
  });
  printResult({
    folder: out,
    files: { samples: `${out}/samples/samples.jsonl`, report },
    figures,
    samples: shown.map((sample) => partsOf(sample, dataset)),
  });
}
