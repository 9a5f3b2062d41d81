/** `--texts FILE` and `--problems FILE`: data of one's own. */
import { basename } from "node:path";
import { EXIT, usageError, UserError } from "../base/errors.ts";
import { fileError } from "../base/file_errors.ts";
import { sha256 } from "../base/json.ts";
import { kebabCase } from "../cli/flags.ts";
import { parseOwnProblems } from "../datasets/own_problems.ts";
import { type OwnText, type OwnTexts, parseOwnTexts } from "../datasets/own_texts.ts";
import { type Split, splitByHash } from "../datasets/split.ts";
import type { ThoughtProblem } from "../datasets/thoughts.ts";
import { refuse } from "./config.ts";
import type { DataSource, TextData } from "./examples.ts";
import { textData } from "./labelled_texts.ts";
import type { TextConfig, TextFlags } from "./settings.ts";

/** Where the texts of a file are, by its ending. */
const PLACES = {
  ".csv": ["column", "labelColumn"],
  ".jsonl": ["field", "labelField"],
} as const;

type PlaceFlag = (typeof PLACES)[keyof typeof PLACES][number];

/** The settings that choose a file and the texts in it. */
export type OwnDataSettings = Pick<TextConfig, "dataset" | "texts" | "problems" | PlaceFlag>;

/** The flags, with `dataset` if a file is given. @throws {UserError} If flags contradict it. */
export function withOwnData<F extends TextFlags>(flags: F): F {
  const { texts, problems, dataset, dataDir } = flags;
  refuse(
    texts !== undefined && problems !== undefined,
    "--texts and --problems: give one of them.",
  );
  const own = texts === undefined ? problems === undefined ? undefined : "problems" : "texts";
  for (const [ending, places] of Object.entries(PLACES)) {
    const given = places.find((place) => flags[place] !== undefined);
    const isThere = texts?.toLowerCase().endsWith(ending);
    refuse(
      given !== undefined && !isThere,
      `--${kebabCase(given ?? "")} is for --texts with a file that ends in ${ending}.`,
    );
  }
  const isRecorded = flags.config !== undefined || flags.resume || flags.sampleOnly;
  if (own === undefined) {
    refuse(
      (dataset === "texts" || dataset === "problems") && !isRecorded,
      `--dataset ${dataset} is read from a file of yours: give --${dataset} FILE.`,
    );
    return flags;
  }
  refuse(
    dataset !== undefined && dataset !== own,
    `--dataset ${dataset} and --${own} are two data sets: give one of them.`,
  );
  refuse(
    dataDir !== undefined,
    `--data-dir is not for --${own}, which names the file: leave it out.`,
  );
  return { ...flags, dataset: own };
}

/** The name of the data in folders and reports: that of a file of one's own without its ending. */
export function dataName(
  { dataset = "hotel_reviews", texts, problems }: Pick<TextFlags, "dataset" | "texts" | "problems">,
): string {
  const file = texts ?? problems;
  if (file === undefined) return dataset;
  const name = basename(file).replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}_.-]+/gu, "_");
  return name.replace(/^[._]+/, "") || dataset;
}

/** A file of one's own. */
export interface OwnData {
  readonly path: string;
  readonly sha256: string;
  /** What the file has. */
  readonly own: OwnTexts | OwnProblems;
}

interface OwnProblems {
  readonly problems: readonly ThoughtProblem[];
}

/** Larger files are refused: the texts, their tokens and their latents are in memory. */
const MOST_BYTES = 2 ** 28;

async function readFile(path: string, flag: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const { size } = await Deno.stat(path);
    if (size > MOST_BYTES) {
      throw usageError(
        `--${flag} ${path}: ${(size / 2 ** 20).toFixed(0)} MiB, and at most ${
          MOST_BYTES / 2 ** 20
        } ` +
          "fit into memory: give a part of it",
      );
    }
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw usageError(
        `--${flag} ${path}: name the file on the command line, so that it may be read`,
      );
    }
    const { message } = fileError(error, `read ${path}`);
    throw error instanceof UserError ? error : usageError(`--${flag}: ${message}`);
  }
}

/** Reads texts. An error about a column or field names its flag. */
function parseTexts(...file: Parameters<typeof parseOwnTexts>): OwnTexts {
  try {
    return parseOwnTexts(...file);
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode !== EXIT.usage) throw error;
    const places = Object.entries(PLACES).find(([ending]) =>
      file[1].toLowerCase().endsWith(ending)
    )!;
    const [text, label] = places[1].map((place) => `--${kebabCase(place)}`);
    throw usageError(`${error.message}, with ${text} (and ${label} for labels)`);
  }
}

/** Reads the file of one's own that the settings name; undefined for other data sets. */
export async function readOwnData(settings: OwnDataSettings): Promise<OwnData | undefined> {
  const { dataset, texts, problems, column, labelColumn, field, labelField } = settings;
  if (dataset !== "texts" && dataset !== "problems") return undefined;
  const path = dataset === "texts" ? texts : problems;
  if (path === undefined) throw usageError(`--dataset ${dataset}: give --${dataset} FILE`);
  const bytes = await readFile(path, dataset);
  const own = dataset === "problems"
    ? { problems: parseOwnProblems(bytes, path) }
    : parseTexts(bytes, path, { text: column ?? field, label: labelColumn ?? labelField });
  return { path, sha256: await sha256(bytes), own };
}

/** Fewer different texts or problems are refused. */
const LEAST = 10;

type Unit = "texts" | "problems";

/** Splits the rows of a file: as many to validate with as to test with. */
function splitRows<T>(
  rows: readonly T[],
  keyOf: (row: T) => string,
  { path, unit, validationSize }: {
    readonly path: string;
    readonly unit: Unit;
    readonly validationSize: number;
  },
): Split<T> {
  const different = new Set(rows.map(keyOf)).size;
  if (different < LEAST) {
    throw usageError(
      `--${unit} ${path}: ${different} different ${
        different === 1 ? unit.slice(0, -1) : unit
      }, and at ` +
        `least ${LEAST} are needed, some of which are held out: add more`,
    );
  }
  try {
    return splitByHash(rows, keyOf, { validation: validationSize, test: validationSize });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw usageError(
      `--validation-size ${validationSize}: ${path} has ${different} different ${unit}, and as many ` +
        `again are held out for the test: give at most ${Math.floor((different - 1) / 2)}`,
    );
  }
}

/** The problems of a file, copies of a question in one part. */
export function splitProblems({ own, path }: OwnData, validationSize: number) {
  const { problems } = own as OwnProblems;
  return splitRows(problems, ({ question }) => question, {
    path,
    unit: "problems",
    validationSize,
  });
}

/** The provenance of the rows of a file. */
export function ownSource(
  { path, sha256, own }: OwnData,
  { train, validation, test }: Split<unknown>,
): DataSource {
  const [unit, where] = "texts" in own ? ["texts", ` (${own.where})`] : ["problems", ""];
  const count = (part: readonly unknown[]) => part.length.toLocaleString("en");
  return {
    origin: "file",
    sha256: { [unit]: sha256 }, // the file may be renamed
    description: `${path}${where}: ${count(train)} ${unit} to train on, ${count(validation)} and ` +
      `${count(test)} held out to validate and to test with, copies in the same part.`,
  };
}

/** The texts of a file as data. */
export function ownTextData(file: OwnData, validationSize: number): TextData {
  const { path } = file;
  const { texts, labels } = file.own as OwnTexts;
  const split = splitRows(texts, ({ text }) => text, { path, unit: "texts", validationSize });
  const indices = new Map(labels?.map((label, i) => [label, i]));
  const labelled = (part: readonly OwnText[]) =>
    part.map(({ text, label = "" }) => ({ text, label: indices.get(label) }));
  return {
    ...ownSource(file, split),
    rows: texts.length,
    ...textData(
      {
        train: labelled(split.train),
        validation: labelled(split.validation),
        test: labelled(split.test),
      },
      { name: "texts", byClass: labels === undefined ? undefined : "label", labels },
    ),
  };
}
