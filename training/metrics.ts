/** metrics.csv: what was measured during a run, a row for every step at which something was. */
import { parse, stringify } from "@std/csv";
import { UserError } from "../base/errors.ts";
import { fileError } from "../base/file_errors.ts";
import { writeFileAtomic } from "../base/files.ts";
import { quote } from "../base/quote.ts";

/** What was measured at a step, by column. What was not measured then is absent. */
export interface MetricsRow {
  /** Steps done so far. */
  step: number;
  /** A measured value, which may be NaN or infinite. */
  [column: string]: number | undefined;
}

/** Options of {@linkcode MetricsLog.open}. */
export interface MetricsLogOptions {
  /**
   * The step of the checkpoint from which a run goes on: rows up to it are kept, later ones dropped.
   * Without it the log begins anew.
   */
  resumeStep?: number | undefined;
}

/** Rows as lines that end in a line feed alone, as tools that read line by line expect. */
function writeRows(rows: readonly (readonly unknown[])[]): string {
  return stringify(rows.map((row) => [...row])).replaceAll("\r\n", "\n"); // no cell has a line end
}

function readCell(cell: string, column: string, where: string): number | undefined {
  if (cell === "") return undefined;
  const value = Number(cell);
  if (Number.isNaN(value) && cell !== "NaN") {
    throw new UserError(
      `${where}: ${quote(cell)} under ${quote(column)} is no number: mend that line, or move the ` +
        "file away",
    );
  }
  return value;
}

/**
 * Reads the text of a log. A last line without its end was cut off by a crash, or is being written at
 * this moment: it is left out.
 */
function readText(text: string, path: string): { columns: string[]; rows: MetricsRow[] } {
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  let lines: string[][];
  try {
    lines = parse(whole, { fieldsPerRecord: 0 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`${path}: ${reason}: mend that line, or move the file away`, {
      cause: error,
    });
  }
  const [columns = [], ...records] = lines;
  if (columns.length > 0 && columns[0] !== "step") {
    throw new UserError(`${path}: its first column is ${quote(columns[0])}, but must be "step"`);
  }
  const rows = records.map((cells, i) => {
    const where = `${path} line ${i + 2}`;
    const entries = columns.map((column, j) =>
      [column, readCell(cells[j]!, column, where)] as const
    );
    const row = Object.fromEntries(entries.filter(([, value]) => value !== undefined));
    if (row["step"] === undefined) throw new UserError(`${where}: the row has no step`);
    return row as MetricsRow;
  });
  return { columns, rows };
}

async function readFile(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw fileError(error, `read ${path}`);
  }
}

/**
 * Reads a log, also one that is being written.
 *
 * @returns Its rows in order. Columns that have no value in a row are absent there.
 * @throws {UserError} When the file cannot be read or a line in it is no row of numbers, with the line.
 */
export async function readMetrics(path: string): Promise<MetricsRow[]> {
  return readText(await readFile(path), path).rows;
}

/**
 * A log that rows are added to. However a run ends, the file holds whole rows and, at the most, the
 * beginning of one more, which {@linkcode readMetrics} leaves out and a resumed run takes away.
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
   * @param columns What is measured; the column of the step comes in front of it.
   * @throws {UserError} When the file cannot be written, or a run that is resumed has a log with other
   * columns or with lines that are no rows of numbers.
   */
  static async open<const C extends string>(
    path: string,
    columns: readonly C[],
    { resumeStep }: MetricsLogOptions = {},
  ): Promise<MetricsLog<C>> {
    const header = ["step", ...columns];
    const kept = resumeStep === undefined ? [] : await readUpTo(path, header, resumeStep);
    const cells = kept.map((row) => header.map((column) => row[column]));
    try {
      await writeFileAtomic(path, writeRows([header, ...cells]));
      const file = await Deno.open(path, { append: true });
      return new MetricsLog<C>(path, header, file, kept.at(-1)?.step ?? -Infinity);
    } catch (error) {
      throw fileError(error, `write ${path}`);
    }
  }

  /**
   * Adds a row.
   *
   * @param row The step, which must be greater than the last, and what was measured at it.
   * @throws {UserError} When it cannot be written.
   */
  async append(row: { step: number } & { [K in C]?: number | undefined }): Promise<void> {
    if (!(row.step > this.#lastStep)) {
      throw new RangeError(`step ${row.step} must be greater than ${this.#lastStep}, the last one`);
    }
    this.#lastStep = row.step;
    const values: Readonly<Record<string, number | undefined>> = row;
    const line = writeRows([this.#columns.map((column) => values[column])]);
    await this.#attempt(async () => {
      const bytes = new TextEncoder().encode(line);
      for (let written = 0; written < bytes.length;) {
        written += await this.#file.write(bytes.subarray(written));
      }
    });
  }

  /** Waits until all rows are on the disk: before a checkpoint, which is never to be ahead of them. */
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

/** The rows of a log up to a step; none if there is no log yet. */
async function readUpTo(path: string, header: string[], step: number): Promise<MetricsRow[]> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw fileError(error, `read ${path}`);
  }
  const { columns, rows } = readText(text, path);
  if (columns.length > 0 && columns.join() !== header.join()) {
    throw new UserError(
      `${path}: its columns are ${quote(columns.join())}, but this run measures ` +
        `${quote(header.join())}: move the file away to begin a new one`,
    );
  }
  return rows.filter((row) => row.step <= step);
}
