/** ddim.csv: the rows of a study, each written as soon as it is measured. */
import { csv, parseCsv } from "../../base/csv.ts";
import { UserError } from "../../base/errors.ts";
import { readFileIfExists, writeFileAtomic } from "../../base/files.ts";
import type { Quality } from "./quality.ts";
import { QUALITY_FIGURES, QUALITY_KEYS } from "./result_file.ts";

export interface StudySetting {
  /** "ddpm" uses the larger variance. */
  readonly sampler: "ddim" | "ddpm";
  readonly eta: number | undefined;
  readonly steps: number;
}

export interface StudyRow extends StudySetting, Quality {
  /** A hash of the study: model, classifier, data and settings. */
  readonly key: string;
  readonly samples: number;
  readonly seed: number;
  readonly guidance: number;
  readonly seconds: number;
}

/** The columns of the file, with the figures of samples in between. */
const FIELDS: readonly (readonly [column: string, key: keyof StudyRow])[] = [
  ...(["key", "sampler", "eta", "steps", "samples", "seed", "guidance"] as const)
    .map((key) => [key, key] as const),
  ...QUALITY_KEYS.map((key) => [QUALITY_FIGURES[key].column, key] as const),
  ["seconds", "seconds"],
];

const COLUMNS = FIELDS.map(([column]) => column);

function toCells(row: StudyRow): (string | number | undefined)[] {
  const rounded = { ...row, seconds: Number(row.seconds.toFixed(1)) };
  return FIELDS.map(([, key]) => rounded[key]);
}

function fromCells(cells: readonly string[], where: string): StudyRow {
  const values = FIELDS.map(([column, key], i) => {
    const refuse = (problem: string) =>
      new UserError(`${where}: ${column} ${problem}: correct that line, or move the file away`);
    const cell = cells[i]!;
    if (key === "key") return [key, cell];
    if (key === "sampler") {
      if (cell !== "ddim" && cell !== "ddpm") throw refuse("is neither ddim nor ddpm");
      return [key, cell];
    }
    if (cell === "") {
      if (key === "eta" || key === "classAgreement") return [key, undefined];
      throw refuse("is missing");
    }
    if (!Number.isFinite(Number(cell))) throw refuse("is not a number");
    return [key, Number(cell)];
  });
  return Object.fromEntries(values);
}

/** The file of a study. It may also hold rows of other models and settings, which are kept. */
export class StudyLog {
  readonly #path: string;
  readonly #rows: StudyRow[];

  private constructor(path: string, rows: StudyRow[]) {
    this.#path = path;
    this.#rows = rows;
  }

  /** Reads a file, or starts an empty one in a folder that exists. */
  static async open(path: string): Promise<StudyLog> {
    const bytes = await readFileIfExists(path);
    if (bytes === undefined) return new StudyLog(path, []);
    const [header, ...lines] = parseCsv(new TextDecoder().decode(bytes), path);
    if (header?.join() !== COLUMNS.join()) {
      throw new UserError(`${path} is not the file of a study: move it away`);
    }
    return new StudyLog(path, lines.map((cells, i) => fromCells(cells, `${path} line ${i + 2}`)));
  }

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
