/** The CSV file of a study: a row a setting, written as soon as it is measured. */
import { parse } from "@std/csv";
import { UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import { printable } from "../../base/quote.ts";
import { writeFileAtomic } from "../../base/files.ts";
import { csv } from "../../base/csv.ts";
import { QUALITY_FIGURES, QUALITY_KEYS } from "./result_file.ts";
import type { Quality } from "./quality.ts";

/** Numbers of steps that a study goes through besides T. */
export const STUDY_STEPS = [10, 20, 50, 100] as const;

/** A row. */
export interface StudyRow extends Quality {
  /** What it has in common with others of one study: model, classifier, data, settings. */
  readonly key: string;
  /** "ddpm" is with the larger variance. */
  readonly sampler: "ddim" | "ddpm";
  /** DDIM's eta. */
  readonly eta: number | undefined;
  /** S. */
  readonly steps: number;
  /** How many samples were measured. */
  readonly samples: number;
  /** The seed that they were drawn with. */
  readonly seed: number;
  /** Classifier-free guidance. */
  readonly guidance: number;
  /** How long drawing and measuring took. */
  readonly seconds: number;
}

const COLUMNS = [
  ...["key", "sampler", "eta", "steps", "samples", "seed", "guidance"] as const,
  ...QUALITY_KEYS.map((key) => QUALITY_FIGURES[key].column),
  "seconds",
];

function toCells(row: StudyRow): (string | number | undefined)[] {
  const { key, sampler, eta, steps, samples, seed, guidance, seconds } = row;
  return [
    ...[key, sampler, eta, steps, samples, seed, guidance],
    ...QUALITY_KEYS.map((figure) => row[figure]),
    Number(seconds.toFixed(1)),
  ];
}

function fromCells(cells: readonly string[], where: string): StudyRow {
  const value = new Map(COLUMNS.map((column, i) => [column, cells[i]!]));
  const optional = (column: string) => {
    const text = value.get(column)!;
    if (text === "") return undefined;
    if (Number.isFinite(Number(text))) return Number(text);
    throw new UserError(`${where}: ${column} is no number: mend that line, or move the file away`);
  };
  const number = (column: string) => {
    const found = optional(column);
    if (found !== undefined) return found;
    throw new UserError(`${where}: ${column} is missing: mend that line, or move the file away`);
  };
  const sampler = value.get("sampler");
  if (sampler !== "ddim" && sampler !== "ddpm") {
    throw new UserError(
      `${where}: there is no such sampler: mend that line, or move the file away`,
    );
  }
  return {
    ...{ key: value.get("key")!, sampler, eta: optional("eta"), steps: number("steps") },
    ...{ samples: number("samples"), seed: number("seed"), guidance: number("guidance") },
    ...{ fid: number("fid"), kid: number("kid"), classAgreement: optional("class_agreement") },
    ...{ precision: number("precision"), recall: number("recall"), seconds: number("seconds") },
  };
}

function parsed(text: string, path: string): string[][] {
  try {
    return parse(text);
  } catch (error) {
    const reason = printable((error as Error).message);
    throw new UserError(`${path}: ${reason}: mend that line, or move the file away`, {
      cause: error,
    });
  }
}

/** A study's file. Rows of other models and settings stay in it. */
export class StudyLog {
  readonly #path: string;
  readonly #rows: StudyRow[];

  private constructor(path: string, rows: StudyRow[]) {
    this.#path = path;
    this.#rows = rows;
  }

  /**
   * Opens a file, or begins one.
   *
   * @param path In a folder that exists.
   * @throws {UserError} If it cannot be read, or holds something else.
   */
  static async open(path: string): Promise<StudyLog> {
    let text: string;
    try {
      text = await Deno.readTextFile(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return new StudyLog(path, []);
      throw fileError(error, `read ${path}`);
    }
    const [header, ...lines] = parsed(text, path);
    if (header?.join() !== COLUMNS.join()) {
      throw new UserError(`${path} is no file of a study: move it away`);
    }
    const rows = lines.map((cells, i) => fromCells(cells, `${path} line ${i + 2}`));
    return new StudyLog(path, rows);
  }

  /** The row of a setting, if it was measured. */
  find(
    key: string,
    { sampler, eta, steps }: Pick<StudyRow, "sampler" | "eta" | "steps">,
  ): StudyRow | undefined {
    return this.#rows.find((row) =>
      row.key === key && row.sampler === sampler && row.eta === eta && row.steps === steps
    );
  }

  /** Adds a row; the file holds all of them or, after a crash, all before. */
  async append(row: StudyRow): Promise<void> {
    this.#rows.push(row);
    await writeFileAtomic(this.#path, csv([COLUMNS, ...this.#rows.map(toCells)]));
  }
}
