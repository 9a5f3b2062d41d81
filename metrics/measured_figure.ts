/** A measured value with its name, its text and its protocol, for reports and tables. */
import { type Accuracy, describeAccuracy } from "./answers.ts";

/** A measured value. */
export interface MeasuredFigure {
  /** The measure: "FID". */
  readonly name: string;
  /** The value as a text with its unit: "12.3". */
  readonly value: string;
  /** Samples, sampler, steps and reference set: only values of the same protocol compare. */
  readonly protocol: string;
  /** The number in full precision; shares are from 0 to 1. */
  readonly measured: number;
  /** The 95 % confidence interval, if there is one. */
  readonly interval?: readonly [number, number];
  /** The value of real texts, if it is of interest. */
  readonly real?: { readonly value: string; readonly measured: number };
}

/** An accuracy as a measured value. */
export function accuracyFigure(
  name: string,
  accuracy: Accuracy,
  protocol: string,
): MeasuredFigure {
  const { accuracy: measured, interval } = accuracy;
  return { name, value: describeAccuracy(accuracy), measured, interval, protocol };
}

/** A number as a measured value, with that of real texts if given. */
export function numberFigure(
  name: string,
  measured: number,
  protocol: string,
  { real, format = (value) => value.toFixed(2) }: {
    readonly real?: number | undefined;
    readonly format?: (value: number) => string;
  } = {},
): MeasuredFigure {
  const figure = { name, value: format(measured), measured, protocol };
  if (real === undefined) return figure;
  return { ...figure, real: { value: format(real), measured: real } };
}

/** Formats a share in percent. */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
