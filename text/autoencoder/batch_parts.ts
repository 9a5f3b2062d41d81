/** Parts of a batch, for gradients that are accumulated. */
import { type HostArray, scalar } from "../../engine/tree.ts";
import { IGNORED_LABEL } from "../../nn/cross_entropy.ts";

/** Arrays [B, ...] by name. */
export type TextBatch = Readonly<Record<string, HostArray>>;

/**
 * Splits a batch of texts along its rows.
 *
 * @param batch Arrays [B, ...], `labels` among them.
 * @param parts The number of parts, which divides B.
 * @returns The parts, each [B / parts, ...] with its `tokenShare`: see textVaeLoss.
 * @throws {RangeError} If `parts` does not divide B.
 */
export function textBatchParts(
  batch: TextBatch,
  parts: number,
): TextBatch[] {
  const labels = batch["labels"]!;
  const [rows = 0] = labels.shape;
  if (rows % parts !== 0) throw new RangeError(`${rows} rows are not a multiple of ${parts} parts`);
  const size = rows / parts;
  const tokens = ({ data }: HostArray) =>
    Array.from(data).filter((label) => label !== IGNORED_LABEL).length;
  const whole = tokens(labels);
  return Array.from({ length: parts }, (_, part) => {
    const arrays = Object.fromEntries(
      Object.entries(batch).map(([name, array]) => [name, rowsOf(array, part * size, size)]),
    );
    return { ...arrays, tokenShare: scalar(tokens(arrays["labels"]!) * parts / whole) };
  });
}

/** Rows of an array [B, ...], as a view. */
function rowsOf(array: HostArray, from: number, count: number): HostArray {
  const [rows = 0, ...rest] = array.shape;
  const width = array.data.length / rows;
  const data = array.data.subarray(from * width, (from + count) * width);
  return { ...array, shape: [count, ...rest], data } as HostArray;
}
