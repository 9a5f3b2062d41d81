/** Losses that are out of line with those before them. */

/** Losses that the median is taken of. */
const WINDOW = 50;

/** Losses that must be known before any is out of line. */
const FEWEST = 10;

/** How many times the median a loss must be to be a spike. Between batches it varies by 3 at most. */
const FACTOR = 10;

/**
 * And what share of the first losses' median. Where texts are copied all but exactly, long ones have a
 * hundred times the loss of short ones, and nothing is wrong: a spike undoes what was learned.
 */
const SHARE_OF_FIRST = 0.5;

function medianOf(losses: readonly number[]): number {
  return losses.toSorted((a, b) => a - b)[losses.length >> 1]!;
}

/** Finds where losses spike: of several in a row, as where the task changes, the first alone. */
export class LossSpikes {
  readonly #losses: number[] = [];
  #first: number | undefined;
  #within = false;

  /**
   * Takes the next loss.
   *
   * @returns How many times the median of those before it is, where a spike begins.
   */
  add(loss: number): number | undefined {
    if (this.#losses.length === FEWEST) this.#first ??= medianOf(this.#losses);
    const ratio = loss / medianOf(this.#losses);
    const spikes = this.#first !== undefined && ratio >= FACTOR &&
      loss >= SHARE_OF_FIRST * this.#first;
    const begins = spikes && !this.#within;
    this.#within = spikes;
    this.#losses.push(loss);
    if (this.#losses.length > WINDOW) this.#losses.shift();
    return begins ? ratio : undefined;
  }
}
