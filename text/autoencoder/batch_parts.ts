/** Parts of a batch, for gradients that are accumulated. */
import { type HostArray, scalar } from "../../engine/tree.ts";
import { IGNORED_LABEL } from "../../nn/cross_entropy.ts";

export type TextBatch = Readonly<Record<string, HostArray>>;

/** Splits arrays [B, ...] along their rows into parts, each with its `tokenShare`: see textVaeLoss. */
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

/** Rows of an array [B, ...], as a view; fewer where the array ends. */
export function rowsOf(array: HostArray, from: number, count: number): HostArray {
  const [rows = 0, ...rest] = array.shape;
  const width = array.data.length / rows;
  const to = Math.min(from + count, rows);
  const data = array.data.subarray(from * width, to * width);
  return { ...array, shape: [to - from, ...rest], data } as HostArray;
}
