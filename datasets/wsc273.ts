/**
 * The Winograd Schema Challenge's first 273 problems (Levesque, Davis and Morgenstern 2012), in
 * WinoGrande's format. CC BY 4.0. A test set without training data. Chance is 50 %.
 */
import { join } from "node:path";
import { type Dataset, pinnedFiles } from "./dataset.ts";
import { openDataset, type Provenance, provenanceOf, type SourceOptions } from "./sources.ts";
import { parseWinograd, type WinogradProblem } from "./winograd.ts";

export const WSC273: Dataset = {
  title: "WSC273",
  id: "wsc273",
  files: [{
    name: "wsc273.winogrande_format.jsonl",
    sha256: "42a1b790e69952ca609b82b494d53be930a9e5622bbe88697563116fdd8ab0ad",
    size: 48_879,
    rows: 273,
    addresses: [
      "https://raw.githubusercontent.com/yanaiela/winograd_square_one/" +
      "ad58d7e21e961a26f46f2c939cc28e2c9362e33c/data/wsc/wsc.jsonl",
    ],
  }],
  otherFolders: ["wsc"],
  sample: {
    folder: new URL("./samples/wsc273/", import.meta.url),
    files: pinnedFiles(
      "3dcfa568238c612363b83078dab73c543afae2f74bafee744648ef67c4240ec2 6318 40 wsc273.jsonl",
    ),
    description: "20 pairs of sentences written for this project",
  },
};

/** WSC273, in memory. */
export interface Wsc273 extends Provenance {
  /** The problems, which are all scored. */
  readonly test: readonly WinogradProblem[];
}

/**
 * Loads WSC273 from the first place that has it: see {@linkcode openDataset} for the order and the
 * options.
 *
 * @throws {UserError} As {@linkcode openDataset} and {@linkcode parseWinograd}.
 */
export async function loadWsc273(options: SourceOptions = {}): Promise<Wsc273> {
  const opened = await openDataset(WSC273, options);
  const [[name, bytes] = []] = opened.contents;
  const test = parseWinograd(bytes!, join(opened.place, name!));
  return { test, ...provenanceOf(WSC273, opened) };
}
