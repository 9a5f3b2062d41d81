/** Losses that are out of line with those before them. */

/** Losses that the median is taken of. */
const WINDOW = 50;

/** Losses that must be known before any is out of line. */
const FEWEST = 10;

/** How many times the median a loss must be to be a spike. Between batches it varies by 3 at most. */
const FACTOR = 10;

/** Finds where losses spike: of several in a row, as where the task changes, the first alone. */
export class LossSpikes {
  readonly #losses: number[] = [];
  #within = false;

  /**
   * Takes the next loss.
   *
   * @returns How many times the median of those before it is, where a spike begins.
   */
  add(loss: number): number | undefined {
    const before = this.#losses.toSorted((a, b) => a - b);
    const ratio = loss / before[before.length >> 1]!;
    const spikes = before.length >= FEWEST && ratio >= FACTOR;
    const begins = spikes && !this.#within;
    this.#within = spikes;
    this.#losses.push(loss);
    if (this.#losses.length > WINDOW) this.#losses.shift();
    return begins ? ratio : undefined;
  }
}
