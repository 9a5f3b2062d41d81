/**
 * `ProgressBar` of `jsr:@std/cli` with the options that this project uses, for networks that cannot
 * reach JSR.
 *
 * @module
 */

/** What a formatter receives at every redraw. */
export interface ProgressBarFormatter {
  /** The bar itself: `###-------`. */
  progressBar: string;
}

/** Options of {@linkcode ProgressBar}. */
export interface ProgressBarOptions {
  /** Where the bar is written. */
  writable: WritableStream<Uint8Array>;
  /** The progress at the start. */
  value: number;
  /** The progress at the end. */
  max: number;
  /** The length of the bar in characters. */
  barLength: number;
  /** Milliseconds between two redraws. */
  interval: number;
  /** Returns the line to write. */
  formatter: (formatter: ProgressBarFormatter) => string;
}

/** A line of a terminal that is redrawn at an interval until {@linkcode ProgressBar.stop}. */
export class ProgressBar {
  /** The progress so far. */
  value: number;

  readonly #options: ProgressBarOptions;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #timer: ReturnType<typeof setInterval>;

  /** Draws the bar for the first time. */
  constructor(options: ProgressBarOptions) {
    this.value = options.value;
    this.#options = options;
    this.#writer = options.writable.getWriter();
    this.#timer = setInterval(() => this.#draw(), options.interval);
    this.#draw();
  }

  /** Draws the bar for the last time, ends the line and releases the stream. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#draw();
    await this.#write("\n");
    this.#writer.releaseLock();
  }

  #draw(): Promise<void> {
    const { max, barLength, formatter } = this.#options;
    const done = Math.trunc(Math.min(Math.max(this.value / max, 0), 1) * barLength);
    const progressBar = "#".repeat(done) + "-".repeat(barLength - done);
    return this.#write(`\r\x1b[K${formatter({ progressBar })}`); // column 0, then clear the line
  }

  /** Never rejects: work goes on when its terminal is closed. */
  async #write(text: string): Promise<void> {
    try {
      await this.#writer.write(new TextEncoder().encode(text));
    } catch {
      clearInterval(this.#timer);
    }
  }
}
