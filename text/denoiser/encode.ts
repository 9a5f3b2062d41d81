/** Stage `encode` of text.ts: the texts of a data set as latents. */
import { UserError } from "../../base/errors.ts";
import { Progress } from "../../cli/progress.ts";
import type { Device } from "../../engine/device.ts";
import { compileTextCodec } from "../../vae/text_codec.ts";
import type { OpenedTextVae } from "../autoencoder/checkpoint.ts";
import type { TextData } from "../examples.ts";
import type { DenoiserConfig } from "../settings.ts";
import { latentTexts } from "./layouts.ts";
import {
  encodeToLatents,
  latentScale,
  latentsKey,
  loadLatents,
  normalizeLatents,
  saveLatents,
  type TextLatents,
} from "./latents.ts";

export interface EncodingTask {
  readonly device: Device;
  readonly vae: OpenedTextVae;
  readonly data: TextData;
  readonly config: DenoiserConfig;
  readonly folder: string;
}

async function textsToEncode({ vae, data, config }: EncodingTask) {
  const { train, validation } = data.examples(config);
  const texts = latentTexts([train, validation], config);
  return { texts, key: await latentsKey(vae, texts) };
}

/** Encodes the texts of a data set, unless the folder holds their latents. Others are replaced. */
export async function encodeDataset(task: EncodingTask, log: (line: string) => void) {
  const { device, vae, folder } = task;
  const { texts, key } = await textsToEncode(task);
  try {
    if (await loadLatents(folder, texts, key) !== undefined) {
      log(`encode: the latents of ${texts.length} texts are in ${folder} already`);
      return;
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    log(`encode: the latents in ${folder} are replaced (${error.message})`);
  }
  const codec = compileTextCodec(device, vae, vae.tokenizer.id("eos"));
  await using progress = new Progress({ total: texts.length, label: "encoding", unit: "texts" });
  const raw = await encodeToLatents(texts, { codec, ...vae }, (done) => progress.update(done));
  await progress.stop();
  await codec.dispose();
  const scale = latentScale(raw);
  await saveLatents(folder, { latents: normalizeLatents(raw, scale), ...scale }, key);
  const [count, latents, width] = raw.shape;
  log(`encode: ${count} texts as ${latents} latents of ${width} numbers, in ${folder}`);
}

/** The latents that {@linkcode encodeDataset} saved. */
export async function requireLatents(task: EncodingTask): Promise<TextLatents> {
  const { texts, key } = await textsToEncode(task);
  const latents = await loadLatents(task.folder, texts, key);
  if (latents !== undefined) return latents;
  throw new UserError(`there are no latents in ${task.folder}`);
}
