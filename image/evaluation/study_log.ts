/** ddim.csv: the rows of a study, each written as soon as it is measured. */
import { csv, parseCsv } from "../../base/csv.ts";
import { UserError } from "../../base/errors.ts";
import { fileError } from "../../base/file_errors.ts";
import { writeFileAtomic } from "../../base/files.ts";
import type { Quality } from "./quality.ts";
import { QUALITY_FIGURES, QUALITY_KEYS } from "./result_file.ts";

/** A setting of the study. */
export interface StudySetting {
  /** "ddpm" uses the larger variance. */
  readonly sampler: "ddim" | "ddpm";
  /** The eta of DDIM; undefined for ddpm. */
  readonly eta: number | undefined;
  /** The number of steps S. */
  readonly steps: number;
}

/** A row: a setting and its figures. */
export interface StudyRow extends StudySetting, Quality {
  /** A hash of the study: model, classifier, data and settings. */
  readonly key: string;
  /** The number of samples. */
  readonly samples: number;
  /** The seed of the samples. */
  readonly seed: number;
  /** The scale of classifier-free guidance. */
  readonly guidance: number;
  /** The time that sampling and evaluation took. */
  readonly seconds: number;
}

const COLUMNS = [
  "key",
  "sampler",
  "eta",
  "steps",
  "samples",
  "seed",
  "guidance",
  ...QUALITY_KEYS.map((key) => QUALITY_FIGURES[key].column),
  "seconds",
];

function toCells(row: StudyRow): (string | number | undefined)[] {
  const { key, sampler, eta, steps, samples, seed, guidance, seconds } = row;
  const figures = QUALITY_KEYS.map((figure) => row[figure]);
  return [
    key,
    sampler,
    eta,
    steps,
    samples,
    seed,
    guidance,
    ...figures,
    Number(seconds.toFixed(1)),
  ];
}

function fromCells(cells: readonly string[], where: string): StudyRow {
  const refuse = (column: string, problem: string) =>
    new UserError(
      `${where}: ${column} ${problem}: correct that line, or move the file away`,
    );
  const text = (column: string) => cells[COLUMNS.indexOf(column)]!;
  const optional = (column: string) => {
    if (text(column) === "") return undefined;
    const value = Number(text(column));
    if (Number.isFinite(value)) return value;
    throw refuse(column, "is not a number");
  };
  const number = (column: string) => {
    const value = optional(column);
    if (value !== undefined) return value;
    throw refuse(column, "is missing");
  };
  const sampler = text("sampler");
  if (sampler !== "ddim" && sampler !== "ddpm") throw refuse("sampler", "is neither ddim nor ddpm");
  return {
    key: text("key"),
    sampler,
    eta: optional("eta"),
    steps: number("steps"),
    samples: number("samples"),
    seed: number("seed"),
    guidance: number("guidance"),
    fid: number("fid"),
    kid: number("kid"),
    classAgreement: optional("class_agreement"),
    precision: number("precision"),
    recall: number("recall"),
    seconds: number("seconds"),
  };
}

/** The file of a study. It may also hold rows of other models and settings, which are kept. */
export class StudyLog {
  readonly #path: string;
  readonly #rows: StudyRow[];

  private constructor(path: string, rows: StudyRow[]) {
    this.#path = path;
    this.#rows = rows;
  }

  /**
   * Reads a file, or starts an empty one.
   *
   * @param path The file, in a folder that exists.
   * @throws {UserError} If it cannot be read, or is not the file of a study.
   */
  static async open(path: string): Promise<StudyLog> {
    let text: string;
    try {
      text = await Deno.readTextFile(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return new StudyLog(path, []);
      throw fileError(error, `read ${path}`);
    }
    const [header, ...lines] = parseCsv(text, path);
    if (header?.join() !== COLUMNS.join()) {
      throw new UserError(`${path} is not the file of a study: move it away`);
    }
    const rows = lines.map((cells, i) => fromCells(cells, `${path} line ${i + 2}`));
    return new StudyLog(path, rows);
  }

  /** The row of a setting, if it was measured. */
  find(key: string, { sampler, eta, steps }: StudySetting): StudyRow | undefined {
    return this.#rows.find((row) =>
      row.key === key && row.sampler === sampler && row.eta === eta && row.steps === steps
    );
  }

  /** Adds a row. If the program is stopped meanwhile, the file holds all rows before it. */
  async append(row: StudyRow): Promise<void> {
    this.#rows.push(row);
    await writeFileAtomic(this.#path, csv([COLUMNS, ...this.#rows.map(toCells)]));
  }
}
