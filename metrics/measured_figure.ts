/** A figure with the number that it says, for tables. */
import { type Accuracy, describeAccuracy } from "./answers.ts";

/** A key figure and its number. */
export interface MeasuredFigure {
  /** What was measured: "FID". */
  readonly name: string;
  /** The figure, with its unit: "12.3". */
  readonly value: string;
  /** How: samples, sampler, steps, reference set, so that figures are not compared across protocols. */
  readonly protocol: string;
  /** The number, in full precision; shares are from 0 to 1. */
  readonly measured: number;
  /** The 95 % interval, where there is one. */
  readonly interval?: readonly [number, number];
  /** The same of real texts, where that says something. */
  readonly real?: { readonly value: string; readonly measured: number };
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

/** A number as a figure, beside that of real texts. */
export function numberFigure(
  name: string,
  measured: number,
  protocol: string,
  { real, format = (value) => value.toFixed(2) }: {
    readonly real?: number;
    readonly format?: (value: number) => string;
  } = {},
): MeasuredFigure {
  return {
    name,
    value: format(measured),
    measured,
    protocol,
    ...(real === undefined ? {} : { real: { value: format(real), measured: real } }),
  };
}

/** A share in percent. */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
