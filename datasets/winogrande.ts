/**
 * WinoGrande 1.1 (Sakaguchi et al. 2019, arXiv:1907.10641): Winograd schemas, filtered by an algorithm that
 * removes those that word associations solve. CC BY. Scored on `dev`, since the answers of the test set
 * are not public. Chance is 50 %.
 */
import { join } from "node:path";
import { usageError } from "../base/errors.ts";
import { type Dataset, pinnedFiles, type RemoteFile, remoteFiles } from "./dataset.ts";
import { openDataset, type Provenance, provenanceOf, type SourceOptions } from "./sources.ts";
import { parseWinograd, type WinogradProblem } from "./winograd.ts";

/** The training sets, each a part of the next, and the filtered part of the largest. */
export const WINOGRANDE_SIZES = ["xs", "s", "m", "l", "xl", "debiased"] as const;

/** One of {@linkcode WINOGRANDE_SIZES}. */
export type WinograndeSize = typeof WINOGRANDE_SIZES[number];

const MIRROR = "https://raw.githubusercontent.com/yanaiela/winograd_square_one/" +
  "ad58d7e21e961a26f46f2c939cc28e2c9362e33c/data/winogrande/";

const [DEV, ...TRAIN] = remoteFiles(
  MIRROR,
  `
  1aeac79cf46a3dcbe59a71ca7e5372a1490cde2b4ae2387dc56f00378104d2e8 275682 1267 dev.jsonl
  2f159f8216e54cdf835399ac10ebdd66699ca53934f4fc21a42d222512571dae 34768 160 train_xs.jsonl
  959778b5a77819891ba9cbfc591925e94c853c6de3019992e292765176c69daf 138624 640 train_s.jsonl
  b02e7d92b5e44147ee4d1879fbf0e484510053f06c50a6fa6400265058f3ed42 554107 2558 train_m.jsonl
  4263afcab36b27dc6c3683a60806d3bc11ac593ca1814f27c5b51f9357d399c8 2220192 10234 train_l.jsonl
  5da4d7f6924348ace9e64fd0922d8a7a8e0e14f55cd08005ffb1a3a3d649e36f 8741021 40398 train_xl.jsonl
  c6d40c05ee57ee9ca6c101afd6429b134b779e10bfaf2c3b89109d5f8ea75b89 2017302 9248 train-debiased.jsonl
  `,
) as [RemoteFile, ...RemoteFile[]];

/**
 * WinoGrande's files for a size of the training set, with hashes and addresses.
 *
 * @throws {UserError} If the size is unknown.
 */
export function winogrande(size: WinograndeSize): Dataset {
  const train = TRAIN[WINOGRANDE_SIZES.indexOf(size)];
  if (train === undefined) {
    throw usageError(`no training set of size "${size}"; there are ${WINOGRANDE_SIZES.join(", ")}`);
  }
  return {
    title: `WinoGrande (${size})`,
    id: "winogrande",
    files: [train, DEV],
    sample: {
      folder: new URL("./samples/winogrande/", import.meta.url),
      files: pinnedFiles(`
      9b9176f65d9364afbe0647102bdff838150c0d6e49e462e3ec7edd5d17ab4849 15807 100 train.jsonl
      39dde66c3fdad328005799969076bf170b9b2f2c7dd8b66fc004994b20aa64cd 6377 40 dev.jsonl`),
      description: "70 pairs of sentences written for this project",
    },
  };
}

/** Options of {@linkcode loadWinogrande}. */
export interface WinograndeOptions extends SourceOptions {
  /** Which training set. @default {"xl"} */
  readonly size?: WinograndeSize | undefined;
}

/** WinoGrande, in memory. */
export interface Winogrande extends Provenance {
  /** Training problems, in the file's order. */
  readonly train: readonly WinogradProblem[];
  /** The 1,267 problems that are scored. No choice depends on them. */
  readonly dev: readonly WinogradProblem[];
}

/**
 * Loads WinoGrande from the first place that has it: see {@linkcode openDataset} for the order and the
 * options.
 *
 * @throws {UserError} As {@linkcode openDataset}, {@linkcode winogrande} and {@linkcode parseWinograd}.
 */
export async function loadWinogrande(options: WinograndeOptions = {}): Promise<Winogrande> {
  const dataset = winogrande(options.size ?? "xl");
  const opened = await openDataset(dataset, options);
  const [train, dev] = [...opened.contents].map(([name, bytes]) =>
    parseWinograd(bytes, join(opened.place, name))
  );
  return { train: train!, dev: dev!, ...provenanceOf(dataset, opened) };
}
