/**
 * Winograd schemas, answered by a published BERT as the denoiser of masked diffusion, without training: the
 * blank of a sentence is filled with each option, and the option whose tokens have the higher bound of the
 * likelihood is the answer.
 */
import { Progress } from "../../cli/progress.ts";
import { print, printResult } from "../../cli/output.ts";
import { newFolder } from "../../cli/samples_folder.ts";
import { usageError, UserError } from "../../base/errors.ts";
import { makeFolder, writeFileAtomic } from "../../base/files.ts";
import { openModelFiles } from "../../datasets/download/hub.ts";
import type { WinogradProblem } from "../../datasets/winograd.ts";
import type { Device } from "../../engine/device.ts";
import * as tf from "../../engine/tf.ts";
import { float32, type HostArray, int32 } from "../../engine/tree.ts";
import { accuracyOf } from "../../metrics/answers.ts";
import { accuracyFigure } from "../../metrics/measured_figure.ts";
import { crossEntropies, IGNORED_LABEL } from "../../nn/cross_entropy.ts";
import { constants } from "../../nn/parameters.ts";
import { writeReport } from "../../report/report.ts";
import { bertStates } from "../../vae/bert.ts";
import { maskedLmLogits } from "../../vae/bert_masked_lm.ts";
import { loadBert, type PretrainedBert } from "../../vae/pretrained.ts";
import { loadTokenizer } from "../../vae/tokenizer/files.ts";
import type { TextTokenizer } from "../../vae/tokenizer/tokenizer.ts";
import { loadSchemas } from "../commonsense_data.ts";
import type { TextFlags, TextSettings } from "../settings.ts";

/** An option in its sentence, with some of its tokens masked. */
export interface MaskedOption {
  readonly ids: readonly number[];
  /** The places of the masks, and the tokens there. */
  readonly masked: readonly { readonly at: number; readonly token: number }[];
  /** The weight of the sum of the masks' log likelihoods in the bound of the option's tokens. */
  readonly weight: number;
}

/** Options of up to this many tokens are masked in all ways, longer ones whole. */
const MOST_ENUMERATED = 3;

/**
 * The ways to mask an option, whose weighted log likelihoods add up to the bound: of m of n tokens, n / m times
 * the mean over all such choices, averaged over m from 1 to n (Sahoo et al. 2024: a uniform number of masks has
 * the weights of a uniform time). It is divided by n, so that long options are not worse.
 */
export function maskedOptions(
  { sentence }: Pick<WinogradProblem, "sentence">,
  option: string,
  tokenizer: TextTokenizer,
): MaskedOption[] {
  const [before, after] = sentence.split("_").map((part) => [...tokenizer.encode(part)]);
  const tokens = [...tokenizer.encode(option)];
  const n = tokens.length;
  if (n === 0) throw new UserError(`${sentence}: the option ${option} has no tokens`);
  const ways = n > MOST_ENUMERATED ? [tokens.map(() => true)] : Array.from(
    { length: 2 ** n - 1 },
    (_, way) => tokens.map((_, i) => (((way + 1) >> i) & 1) === 1),
  );
  const sizes = ways.map((way) => way.filter(Boolean).length);
  const start = 1 + before!.length;
  return ways.map((way, i) => {
    const m = sizes[i]!;
    const alike = sizes.filter((size) => size === m).length;
    return {
      ids: [
        tokenizer.id("cls"),
        ...before!,
        ...tokens.map((token, at) => way[at] ? tokenizer.id("mask") : token),
        ...after!,
        tokenizer.id("sep"),
      ],
      masked: tokens.flatMap((token, at) => way[at] ? [{ at: start + at, token }] : []),
      weight: 1 / m / alike / new Set(sizes).size,
    };
  });
}

/** Rows that are computed together. */
const BATCH = 32;

/** Rows are padded to multiples of this, so that few graphs are compiled. */
const LENGTH_STEP = 8;

/** The weighted log likelihood of each row. */
export async function optionLikelihoods(
  device: Device,
  { config, parameters, head }: PretrainedBert,
  rows: readonly MaskedOption[],
  { padId, onProgress }: { readonly padId: number; readonly onProgress?: (done: number) => void },
): Promise<Float64Array> {
  if (head === undefined) {
    throw usageError("--encoder-from: the model has no head for masked tokens: name one that has");
  }
  const all = { ...parameters, ...head };
  const most = Math.max(...rows.map(({ masked }) => masked.length));
  const compiled = device.compile<Record<string, HostArray>, { losses: HostArray }>(
    ({ ids, mask, places, labels }) => {
      const weights = constants(all);
      const states = bertStates(weights, {
        inputIds: ids as tf.Tensor2D,
        attentionMask: mask as tf.Tensor2D,
      }, config);
      const flat = tf.reshape(states, [-1, config.hiddenSize]);
      const found = tf.reshape(tf.gather(flat, places as tf.Tensor1D), [1, -1, config.hiddenSize]);
      const logits = tf.reshape(
        maskedLmLogits(weights, found as tf.Tensor3D, config),
        [-1, config.vocabSize],
      );
      return { losses: crossEntropies(logits as tf.Tensor2D, labels as tf.Tensor1D) };
    },
  );
  const likelihoods = new Float64Array(rows.length);
  const order = [...rows.keys()].sort((a, b) => rows[a]!.ids.length - rows[b]!.ids.length);
  for (let first = 0; first < order.length; first += BATCH) {
    const batch = order.slice(first, first + BATCH).map((i) => rows[i]!);
    const longest = Math.max(...batch.map(({ ids }) => ids.length));
    const length = Math.min(
      config.maxPositionEmbeddings,
      LENGTH_STEP * Math.ceil(longest / LENGTH_STEP),
    );
    if (longest > length) {
      throw new UserError(`a sentence has ${longest} tokens, and the model reads ${length}`);
    }
    const ids = new Int32Array(BATCH * length).fill(padId);
    const mask = new Float32Array(BATCH * length);
    const places = new Int32Array(BATCH * most);
    const labels = new Int32Array(BATCH * most).fill(IGNORED_LABEL);
    batch.forEach((row, i) => {
      ids.set(row.ids, i * length);
      mask.fill(1, i * length, i * length + row.ids.length);
      row.masked.forEach(({ at, token }, k) => {
        places[i * most + k] = i * length + at;
        labels[i * most + k] = token;
      });
    });
    const { losses } = await compiled({
      ids: int32(ids, [BATCH, length]),
      mask: float32(mask, [BATCH, length]),
      places: int32(places),
      labels: int32(labels),
    });
    batch.forEach((row, i) => {
      const own = losses.data.slice(i * most, (i + 1) * most) as Float32Array;
      likelihoods[order[first + i]!] = -row.weight * own.reduce((sum, loss) => sum + loss, 0);
    });
    onProgress?.(first + batch.length);
  }
  await compiled.dispose();
  return likelihoods;
}

/** The bound of each option of each problem [problems][2]. */
export async function schemaScores(
  device: Device,
  bert: PretrainedBert,
  tokenizer: TextTokenizer,
  problems: readonly WinogradProblem[],
): Promise<[number, number][]> {
  const rows = problems.map((problem) =>
    problem.options.map((option) => maskedOptions(problem, option, tokenizer))
  );
  const flat = rows.flat(2);
  await using progress = new Progress({ total: flat.length, label: "scoring", unit: "options" });
  const likelihoods = await optionLikelihoods(device, bert, flat, {
    padId: tokenizer.id("pad"),
    onProgress: (done) => progress.update(done),
  });
  let next = 0;
  return rows.map((options) =>
    options.map((ways) => ways.reduce((sum) => sum + likelihoods[next++]!, 0)) as [number, number]
  );
}

/** `--dataset commonsense --diffusion masked --encoder-from BERT`: scores the options of both test sets. */
export async function answerSchemas(
  device: Device,
  given: TextFlags,
  { autoencoder: { encoderFrom, trainSize, seed }, sampling }: TextSettings,
): Promise<void> {
  if (encoderFrom === undefined) {
    throw usageError(
      "--dataset commonsense --diffusion masked: a published BERT answers without training: name it " +
        "with --encoder-from, such as google-bert/bert-base-uncased.",
    );
  }
  const files = await openModelFiles(encoderFrom, { log: print });
  const tokenizer = await loadTokenizer(files.name, {
    needs: ["pad", "cls", "sep", "mask"],
    read: files.read,
  });
  const bert = await loadBert(files);
  const { sets, description } = await loadSchemas({
    dataDir: given.dataDir,
    dataDirName: "--data-dir",
    size: trainSize,
    sampleOnly: given.preset === "smoke" && given.dataDir === undefined,
    log: print,
  });
  print(description);
  const folder = await newFolder(given.out, `runs/text-commonsense-masked-${seed}`);
  const lines: string[] = [];
  const figures = [];
  for (const [set, all] of sets) {
    const problems = all.slice(0, sampling.samples);
    const scores = await schemaScores(device, bert, tokenizer, problems);
    const right = problems.map(({ answer }, i) =>
      (scores[i]![0] > scores[i]![1] ? 0 : 1) === answer
    );
    figures.push(accuracyFigure(
      set,
      accuracyOf(right, 0.5),
      `the first ${problems.length} problems, the option with the higher masked-diffusion bound a token, ` +
        `${files.name}, no training`,
    ));
    problems.forEach(({ id, sentence, options }, i) =>
      lines.push(JSON.stringify({ set, id, sentence, options, bounds: scores[i], right: right[i] }))
    );
  }
  await makeFolder(folder);
  await writeFileAtomic(`${folder}/samples.jsonl`, lines.join("\n") + "\n");
  const report = await writeReport(folder, {
    title: `Winograd schemas, answered by ${files.name} as a denoiser of masks`,
    figures,
    config: { dataset: "commonsense", diffusion: "masked", encoderFrom, samples: sampling.samples },
    origin: { model: files.name },
  });
  printResult({ folder, files: { samples: `${folder}/samples.jsonl`, report }, figures });
}
