/**
 * A progress bar in one line of a terminal.
 *
 * @module
 */

/** What a formatter is told at every redraw. */
export interface ProgressBarFormatter {
  /** The time since the start as `mm:ss`. */
  styledTime: string;
  /** Value and maximum as amounts of data: `0.40/97.66 KiB`. */
  styledData: string;
  /** The bar itself: `###-------`. */
  progressBar: string;
  /** Milliseconds since the start. */
  time: number;
  /** What `time` was at the redraw before. */
  previousTime: number;
  /** The progress so far. */
  value: number;
  /** What `value` was at the redraw before. */
  previousValue: number;
  /** The progress expected in the end. */
  max: number;
}

/** Options of {@linkcode ProgressBar}. */
export interface ProgressBarOptions {
  /**
   * Where the bar is drawn.
   *
   * @default {Deno.stderr.writable}
   */
  writable?: WritableStream<Uint8Array>;
  /**
   * The progress at the start.
   *
   * @default {0}
   */
  value?: number;
  /** The progress expected in the end. */
  max: number;
  /**
   * The bar's length in characters.
   *
   * @default {50}
   */
  barLength?: number;
  /**
   * The character of what is done.
   *
   * @default {"#"}
   */
  fillChar?: string;
  /**
   * The character of what is left.
   *
   * @default {"-"}
   */
  emptyChar?: string;
  /**
   * Whether the line is wiped when the bar stops.
   *
   * @default {false}
   */
  clear?: boolean;
  /** Makes the line; by default `[mm:ss] [###-------] [0.24/97.6 KiB]`. */
  formatter?: (formatter: ProgressBarFormatter) => string;
  /**
   * Whether the stream stays open when the bar stops.
   *
   * @default {true}
   */
  keepOpen?: boolean;
  /**
   * Milliseconds between two redraws.
   *
   * @default {1000}
   */
  interval?: number;
}

/** Back to the first column, and wipe to the end of the line. */
const LINE_CLEAR = "\r\x1b[K";

function twoDigits(value: number): string {
  return String(Math.floor(value)).padStart(2, "0");
}

/** Value and maximum in the largest unit, from KiB up, that the maximum fills. */
function styleData(value: number, max: number): string {
  const units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];
  let power = 1;
  while (power < units.length && max >= 1024 ** (power + 1)) power++;
  const scaled = (n: number) => (n / 1024 ** power).toFixed(2);
  return `${scaled(value)}/${scaled(max)} ${units[power - 1]}`;
}

function defaultFormatter({ styledTime, progressBar, styledData }: ProgressBarFormatter): string {
  return `[${styledTime}] [${progressBar}] [${styledData}]`;
}

/**
 * A progress bar that redraws itself at an interval, until it is stopped.
 *
 * @example Usage
 * ```ts ignore
 * import { ProgressBar } from "@std/cli/unstable-progress-bar";
 *
 * const bar = new ProgressBar({ max: 100 });
 * for (const item of work) {
 *   await item();
 *   bar.value++;
 * }
 * await bar.stop();
 * ```
 */
export class ProgressBar {
  /** The progress so far. */
  value: number;
  /** The progress expected in the end. */
  max: number;

  readonly #options: Required<
    Omit<ProgressBarOptions, "writable" | "value" | "max" | "interval">
  >;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #start: number = Date.now();
  #previousTime = 0;
  #previousValue: number;

  /** Draws the bar for the first time. */
  constructor(options: ProgressBarOptions) {
    const { writable = Deno.stderr.writable, value = 0, max, interval = 1000 } = options;
    this.value = value;
    this.max = max;
    this.#options = {
      barLength: options.barLength ?? 50,
      fillChar: options.fillChar ?? "#",
      emptyChar: options.emptyChar ?? "-",
      clear: options.clear ?? false,
      formatter: options.formatter ?? defaultFormatter,
      keepOpen: options.keepOpen ?? true,
    };
    this.#previousValue = value;
    this.#writer = writable.getWriter();
    this.#timer = setInterval(() => this.#draw(), interval);
    this.#draw();
  }

  /** Never rejects: a terminal that has gone away is no reason to end the work. */
  async #write(text: string): Promise<void> {
    try {
      await this.#writer.write(new TextEncoder().encode(text));
    } catch {
      clearInterval(this.#timer);
    }
  }

  #draw(): Promise<void> {
    const { barLength, fillChar, emptyChar, formatter } = this.#options;
    const time = Date.now() - this.#start;
    const done = Math.trunc(Math.min(Math.max(this.value / this.max, 0), 1) * barLength);
    const line = formatter({
      styledTime: `${twoDigits(time / 60_000)}:${twoDigits(time / 1000 % 60)}`,
      styledData: styleData(this.value, this.max),
      progressBar: fillChar.repeat(done) + emptyChar.repeat(barLength - done),
      time,
      previousTime: this.#previousTime,
      value: this.value,
      previousValue: this.#previousValue,
      max: this.max,
    });
    this.#previousTime = time;
    this.#previousValue = this.value;
    return this.#write(LINE_CLEAR + line);
  }

  /** Draws the bar for the last time, or wipes it, and lets go of the stream. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#options.clear) {
      await this.#write(LINE_CLEAR);
    } else {
      await this.#draw();
      await this.#write("\n");
    }
    if (this.#options.keepOpen) this.#writer.releaseLock();
    else await this.#writer.close().catch(() => {});
  }
}
