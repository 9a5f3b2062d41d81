/** metrics.csv: the measurements of a run, a row per logged step. */
import { csv, parseCsv } from "../base/csv.ts";
import { UserError } from "../base/errors.ts";
import { fileError } from "../base/file_errors.ts";
import { readFileIfExists, writeFileAtomic } from "../base/files.ts";
import { quote } from "../base/quote.ts";

/** The measurements at a step, by column. Columns that were not measured are absent. */
export interface MetricsRow {
  /** Steps done so far. */
  step: number;
  /** A measurement, which may be NaN or infinite. */
  [column: string]: number | undefined;
}

function readCell(cell: string, column: string, where: string): number | undefined {
  if (cell === "") return undefined;
  const value = Number(cell);
  if (Number.isNaN(value) && cell !== "NaN") {
    const what = `${quote(cell)} in the column ${quote(column)} is not a number`;
    throw new UserError(`${where}: ${what}: correct that line, or move the file away`);
  }
  return value;
}

/**
 * Parses a log. A last line without a line feed is left out: a crash cut it off, or it is being written at
 * this moment.
 */
function readText(text: string, path: string): { columns: string[]; rows: MetricsRow[] } {
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  const [columns = [], ...records] = parseCsv(whole, path);
  if (columns.length > 0 && columns[0] !== "step") {
    throw new UserError(`${path}: the first column is ${quote(columns[0])}, but must be "step"`);
  }
  const rows = records.map((cells, i) => {
    const where = `${path} line ${i + 2}`;
    const row = Object.fromEntries(
      columns.map((column, j) => [column, readCell(cells[j]!, column, where)] as const)
        .filter(([, value]) => value !== undefined),
    );
    if (row["step"] === undefined) throw new UserError(`${where}: the row has no step`);
    return row as MetricsRow;
  });
  return { columns, rows };
}

/**
 * Reads the rows of a log, even while it is being written.
 *
 * @throws {UserError} If the file cannot be read, or a line is not a row of numbers; names the line.
 */
export async function readMetrics(path: string): Promise<MetricsRow[]> {
  const text = await Deno.readTextFile(path).catch((error) => {
    throw fileError(error, `read ${path}`);
  });
  return readText(text, path).rows;
}

/**
 * A log to which rows are appended. If a run is killed, the file holds complete rows and at most the
 * beginning of another, which {@linkcode readMetrics} ignores and a resumed run removes.
 *
 * @example
 * ```ts ignore
 * using log = await MetricsLog.open("runs/a/metrics.csv", ["loss", "learningRate"]);
 * await log.append({ step: 10, loss: 0.25 });
 * ```
 */
export class MetricsLog<C extends string> implements Disposable {
  readonly #path: string;
  readonly #columns: readonly string[];
  readonly #file: Deno.FsFile;
  #lastStep: number;
  #closed = false;

  private constructor(path: string, columns: readonly string[], file: Deno.FsFile, step: number) {
    this.#path = path;
    this.#columns = columns;
    this.#file = file;
    this.#lastStep = step;
  }

  /**
   * Opens a log, in a folder that exists.
   *
   * @param columns The columns after that of the step.
   * @param options `resumeStep`: the step of the checkpoint from which a run continues. Rows up to it are
   * kept, later ones are removed. Without it the log starts empty.
   * @throws {UserError} If the file cannot be written, or the log of a resumed run has other columns or
   * lines that are not rows of numbers.
   */
  static async open<const C extends string>(
    path: string,
    columns: readonly C[],
    { resumeStep }: { resumeStep?: number | undefined } = {},
  ): Promise<MetricsLog<C>> {
    const header = ["step", ...columns];
    const kept = resumeStep === undefined ? [] : await readUpTo(path, header, resumeStep);
    const cells = kept.map((row) => header.map((column) => row[column]));
    try {
      await writeFileAtomic(path, csv([header, ...cells]));
      const file = await Deno.open(path, { append: true });
      return new MetricsLog<C>(path, header, file, kept.at(-1)?.step ?? -Infinity);
    } catch (error) {
      throw fileError(error, `write ${path}`);
    }
  }

  /**
   * Appends a row.
   *
   * @param row The step, which must be greater than the last one, and its measurements.
   * @throws {UserError} If the file cannot be written.
   */
  async append(row: { step: number } & { [K in C]?: number | undefined }): Promise<void> {
    if (!(row.step > this.#lastStep)) {
      throw new RangeError(`step ${row.step} must be greater than ${this.#lastStep}, the last one`);
    }
    this.#lastStep = row.step;
    const values: Readonly<Record<string, number | undefined>> = row;
    const line = csv([this.#columns.map((column) => values[column])]);
    await this.#attempt(async () => {
      const bytes = new TextEncoder().encode(line);
      for (let written = 0; written < bytes.length;) {
        written += await this.#file.write(bytes.subarray(written));
      }
    });
  }

  /** Waits until all rows are on disk. A checkpoint must not be ahead of them. */
  async sync(): Promise<void> {
    await this.#attempt(() => this.#file.sync());
  }

  /** Closes the file. */
  close(): void {
    if (!this.#closed) this.#file.close();
    this.#closed = true;
  }

  /** Closes the file: see {@linkcode MetricsLog.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  async #attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      throw fileError(error, `write ${this.#path}`);
    }
  }
}

/** The rows of a log up to a step; none if there is no log. */
async function readUpTo(path: string, header: string[], step: number): Promise<MetricsRow[]> {
  const bytes = await readFileIfExists(path);
  if (bytes === undefined) return [];
  const { columns, rows } = readText(new TextDecoder().decode(bytes), path);
  if (columns.length > 0 && columns.join() !== header.join()) {
    throw new UserError(
      `${path}: the columns are ${quote(columns.join())}, but this run has ` +
        `${quote(header.join())}: move the file away to start a new one`,
    );
  }
  return rows.filter((row) => row.step <= step);
}
