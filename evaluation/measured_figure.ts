/** A figure with the number that it says, for tables. */
import type { KeyFigure } from "../report/report.ts";
import { type Accuracy, describeAccuracy } from "./answers.ts";

/** A key figure and its number. */
export interface MeasuredFigure extends KeyFigure {
  /** The number, in full precision; shares are from 0 to 1. */
  readonly measured: number;
  /** The 95 % interval, where there is one. */
  readonly interval?: readonly [number, number];
}

/** An accuracy as a figure. */
export function accuracyFigure(
  name: string,
  accuracy: Accuracy,
  protocol: string,
): MeasuredFigure {
  const { accuracy: measured, interval } = accuracy;
  return { name, value: describeAccuracy(accuracy), measured, interval, protocol };
}
