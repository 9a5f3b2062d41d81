/** How far a run is, in one line: steps, loss, images a second, time left. */
import { ProgressBar } from "@std/cli/unstable-progress-bar";

/** Options of {@linkcode Progress}. */
export interface ProgressOptions {
  /** Steps there are in all. */
  total: number;
  /**
   * Steps that are done already, as after a resume.
   *
   * @default {0}
   */
  start?: number;
  /**
   * Items that a step works on: the batch size.
   *
   * @default {1}
   */
  itemsPerStep?: number;
  /**
   * What the items are.
   *
   * @default {"images"}
   */
  unit?: string;
  /**
   * What is counted.
   *
   * @default {"step"}
   */
  label?: string;
  /**
   * Whether to draw a bar that redraws itself; otherwise there are plain lines, now and then.
   *
   * @default {Deno.stderr.isTerminal()}
   */
  terminal?: boolean;
  /** How wide the terminal is; by default it is asked. */
  columns?: () => number;
  /** Where the text goes; by default to the standard error. */
  write?: (text: string) => void;
  /** The time in milliseconds from any origin; by default a monotonic clock. */
  now?: () => number;
  /**
   * Milliseconds between two plain lines at the most. A tenth of the run that is done brings one
   * sooner, but not within a second of the last.
   *
   * @default {10000}
   */
  interval?: number;
}

/** Milliseconds between two frames of the bar, and two plain lines at the least. */
const [FRAME_MS, PLAIN_LINE_MS] = [200, 1000] as const;
/** Characters of the bar. */
const BAR_LENGTH = 24;
/** Updates over which speed is measured: recent enough to follow it, long enough to be steady. */
const WINDOW = 50;
/** Weight of the past in the mean that is shown as loss: about the last 50 steps count. */
const LOSS_DECAY = 0.98;

/** Columns of the terminal; 80 if there is none. */
export function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns;
  } catch {
    return 80;
  }
}

function writeToStderr(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

/** Seconds as `mm:ss`, or `h:mm:ss` from an hour on; `--:--` if they are not known. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "--:--";
  const whole = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), whole % 3600 / 60];
  return `${hours > 0 ? `${hours}:` : ""}${two(minutes)}:${two(whole % 60)}`;
}

/** A speed with three digits at least. */
function formatRate(rate: number): string {
  return rate.toFixed(rate >= 100 ? 0 : rate >= 10 ? 1 : 2);
}

/**
 * Shows how far a run is.
 *
 * @example
 * ```ts ignore
 * await using progress = new Progress({ total: 1000, itemsPerStep: 128 });
 * for await (const { step, loss } of train(model)) progress.update(step, loss);
 * ```
 */
export class Progress {
  readonly #options: Required<ProgressOptions>;
  readonly #bar: ProgressBar | undefined;
  readonly #startTime: number;
  /** Steps and times of the last updates. */
  readonly #marks: { step: number; time: number }[] = [];
  #step: number;
  #loss: number | undefined;
  /** The decaying sum of losses, and the sum of its weights. */
  #lossSums = [0, 0] as [number, number];
  /** Where the last plain line was written. */
  #line: { step: number; time: number } | undefined;
  #stopping: Promise<void> | undefined;
  #mute = false;

  /** Draws the bar for the first time if there is one. */
  constructor(options: ProgressOptions) {
    this.#options = {
      start: 0,
      itemsPerStep: 1,
      unit: "images",
      label: "step",
      terminal: options.terminal ?? Deno.stderr.isTerminal(),
      columns: terminalColumns,
      write: writeToStderr,
      now: () => performance.now(),
      interval: 10_000,
      ...options,
    };
    const { total, terminal, now } = this.#options;
    this.#step = this.#options.start;
    this.#startTime = now();
    if (!terminal) return;
    const decoder = new TextDecoder();
    this.#bar = new ProgressBar({
      writable: new WritableStream({ write: (chunk) => this.#write(decoder.decode(chunk)) }),
      value: this.#step,
      max: total,
      barLength: BAR_LENGTH,
      interval: FRAME_MS,
      formatter: ({ progressBar }) => this.#frame(progressBar),
    });
  }

  /**
   * Items a second over the last updates. NaN before the second one: the first step, in which graphs
   * are built, says nothing about those that follow.
   */
  get itemsPerSecond(): number {
    return this.#stepsPerSecond() * this.#options.itemsPerStep;
  }

  /**
   * Tells what has been done.
   *
   * @param step Steps done so far, those before a resume included.
   * @param loss The step's loss, if there is one; a running mean of it is shown.
   */
  update(step: number, loss?: number): void {
    if (this.#stopping !== undefined) return;
    this.#step = step;
    this.#marks.push({ step, time: this.#options.now() });
    if (this.#marks.length > WINDOW) this.#marks.shift();
    if (loss !== undefined) this.#addLoss(loss);
    if (this.#bar !== undefined) this.#bar.value = step;
    else if (this.#isLineDue()) this.#writeLine();
  }

  /** Writes a line of its own, above the bar if there is one. */
  note(text: string): void {
    if (this.#stopping !== undefined) return;
    this.#write(this.#bar === undefined ? `${text}\n` : `\r\x1b[K${text}\n`);
  }

  /** Shows the last state and ends the line. Once this has resolved nothing is written any more. */
  stop(): Promise<void> {
    this.#stopping ??= this.#finish();
    return this.#stopping;
  }

  /** Stops: see {@linkcode Progress.stop}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #finish(): Promise<void> {
    if (this.#bar !== undefined) await this.#bar.stop();
    else if (this.#marks.length > 0 && this.#line?.step !== this.#step) this.#writeLine();
    this.#mute = true;
  }

  /** A terminal that has gone away is no reason to end a run: then there is silence. */
  #write(text: string): void {
    if (this.#mute) return;
    try {
      this.#options.write(text);
    } catch {
      this.#mute = true;
    }
  }

  #addLoss(loss: number): void {
    if (!Number.isFinite(loss)) {
      this.#loss = loss; // shown as it is, but kept out of the mean
      return;
    }
    const [sum, weight] = this.#lossSums;
    this.#lossSums = [LOSS_DECAY * sum + loss, LOSS_DECAY * weight + 1];
    this.#loss = this.#lossSums[0] / this.#lossSums[1];
  }

  #stepsPerSecond(): number {
    const [first, last] = [this.#marks[0], this.#marks.at(-1)];
    if (first === undefined || last === undefined || last.time <= first.time) return NaN;
    return (last.step - first.step) / (last.time - first.time) * 1000;
  }

  #isLineDue(): boolean {
    const { start, total, interval, now } = this.#options;
    if (this.#line === undefined || this.#step >= total) return true;
    const tenth = (step: number) => Math.floor(10 * (step - start) / (total - start));
    const waited = now() - this.#line.time;
    const isNextTenth = tenth(this.#step) > tenth(this.#line.step);
    return waited >= interval || (isNextTenth && waited >= PLAIN_LINE_MS);
  }

  /** Loss, speed and time, as far as they are known. */
  #facts(): string[] {
    const { total, itemsPerStep, unit, now } = this.#options;
    const facts: string[] = [];
    if (this.#loss !== undefined) facts.push(`loss ${this.#loss.toPrecision(4)}`);
    const rate = this.#stepsPerSecond();
    if (!Number.isNaN(rate)) facts.push(`${formatRate(rate * itemsPerStep)} ${unit}/s`);
    if (this.#step >= total) {
      facts.push(`in ${formatDuration((now() - this.#startTime) / 1000)}`);
    } else if (rate > 0) facts.push(`${formatDuration((total - this.#step) / rate)} left`);
    return facts;
  }

  #writeLine(): void {
    const { total, label, now } = this.#options;
    const percent = total > 0 ? Math.floor(100 * this.#step / total) : 100;
    const count = `${label} ${this.#step}/${total} (${percent} %)`;
    this.#write(`${[count, ...this.#facts()].join("  ")}\n`);
    this.#line = { step: this.#step, time: now() };
  }

  /** The bar's line. One that is too long for the terminal would wrap, and could not be wiped. */
  #frame(bar: string): string {
    const { total, label, columns } = this.#options;
    const count = `${label} ${String(this.#step).padStart(String(total).length)}/${total}`;
    const limit = Math.max(columns() - 1, 1);
    const long = [count, `[${bar}]`, ...this.#facts()].join("  ");
    return long.length <= limit ? long : [count, ...this.#facts()].join("  ").slice(0, limit);
  }
}
