/** The progress of a run in one line: steps, loss, speed, time left. */
import { writeProgress } from "./output.ts";
import { ProgressBar } from "@std/cli/unstable-progress-bar";

/** Options of {@linkcode Progress}. */
export interface ProgressOptions {
  total: number;
  /** Steps that are done already. @default {0} */
  start?: number;
  /** Items per step: the batch size. @default {1} */
  itemsPerStep?: number;
  /** What items are, in the plural. @default {"images"} */
  unit?: string;
  /** The word before the count. @default {"step"} */
  label?: string;
  /** Whether to redraw a bar, instead of writing plain lines. @default {Deno.stderr.isTerminal()} */
  terminal?: boolean;
  columns?: () => number;
  write?: (text: string) => void;
  now?: () => number;
  /** The most milliseconds between two plain lines. @default {10000} */
  interval?: number;
}

/** Milliseconds between two frames of the bar. */
const FRAME_MS = 200;
/** The least milliseconds between two plain lines: a tenth of a run may take less. */
const PLAIN_LINE_MS = 1000;
const BAR_LENGTH = 24;
const WINDOW = 50; // updates over which speed is measured
/** Decay of the running mean of the loss: about the last 50 steps count. */
const LOSS_DECAY = 0.98;

/** Columns of the terminal; 80 if there is none. */
export function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns;
  } catch {
    return 80;
  }
}

/** Seconds as `mm:ss`, or `h:mm:ss` from an hour on; `--:--` if they are not finite. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "--:--";
  const whole = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), whole % 3600 / 60];
  return `${hours > 0 ? `${hours}:` : ""}${two(minutes)}:${two(whole % 60)}`;
}

/** A speed with at least three digits. */
function formatRate(rate: number): string {
  return rate.toFixed(rate >= 100 ? 0 : rate >= 10 ? 1 : 2);
}

/** Shows the progress of a run: a bar on a terminal, plain lines elsewhere. */
export class Progress {
  readonly #options: Required<ProgressOptions>;
  readonly #bar: ProgressBar | undefined;
  readonly #startTime: number;
  readonly #marks: { step: number; time: number }[] = []; // the last updates
  #step: number;
  #loss: number | undefined;
  /** The decaying sum of losses, and the sum of its weights. */
  #lossSums = [0, 0] as [number, number];
  /** The step and the time of the last plain line. */
  #line: { step: number; time: number } | undefined;
  #stopping: Promise<void> | undefined;
  #mute = false;

  constructor(options: ProgressOptions) {
    this.#options = {
      start: 0,
      itemsPerStep: 1,
      unit: "images",
      label: "step",
      terminal: Deno.stderr.isTerminal(),
      columns: terminalColumns,
      write: writeProgress,
      now: () => performance.now(),
      interval: 10_000,
      ...options,
    };
    const { total, start, terminal, now } = this.#options;
    this.#step = start;
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
   * Items per second over the last updates. NaN before the second one, because the first step also builds
   * graphs.
   */
  get itemsPerSecond(): number {
    return this.#stepsPerSecond() * this.#options.itemsPerStep;
  }

  /**
   * Reports the number of steps done so far, and the loss of the last one, of which a running mean is shown.
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

  /** Writes a line, above the bar if there is one. */
  note(text: string): void {
    if (this.#stopping !== undefined) return;
    this.#write(this.#bar === undefined ? `${text}\n` : `\r\x1b[K${text}\n`);
  }

  /** Shows the last state and ends the line. Nothing is written afterwards. */
  stop(): Promise<void> {
    this.#stopping ??= this.#finish();
    return this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #finish(): Promise<void> {
    if (this.#bar !== undefined) await this.#bar.stop();
    else if (this.#marks.length > 0 && this.#line?.step !== this.#step) this.#writeLine();
    this.#mute = true;
  }

  /** Writes text. If that fails, as when the terminal was closed, the run continues silently. */
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
      this.#loss = loss; // shown, but not part of the mean
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

  /** The line with the bar, cut to the terminal's columns: a wrapped line could not be erased. */
  #frame(bar: string): string {
    const { total, label, columns } = this.#options;
    const count = `${label} ${String(this.#step).padStart(String(total).length)}/${total}`;
    const limit = Math.max(columns() - 1, 1);
    const long = [count, `[${bar}]`, ...this.#facts()].join("  ");
    return long.length <= limit ? long : [count, ...this.#facts()].join("  ").slice(0, limit);
  }
}
