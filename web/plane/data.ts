/** Points in the plane, and what the page and its worker tell each other of them. */
import { moon } from "../../examples/moon.ts";
import type { SamplerName } from "../../diffusion/samplers/registry.ts";
import type { BetaSchedule, PredictionType } from "../../diffusion/schedules.ts";

/** The plane from -RANGE to RANGE, along both axes. */
export const RANGE = 2;

export type PlaneData =
  | { readonly kind: "moons" | "spiral" }
  | { readonly kind: "drawn"; readonly points: readonly number[] };

/** What decides the trained network. */
export interface PlaneTrainingRequest {
  readonly data: PlaneData;
  readonly betaSchedule: BetaSchedule;
  readonly prediction: PredictionType | "flow";
  readonly trainingSteps: number;
  readonly seed: number;
}

export interface PlaneRequest extends PlaneTrainingRequest {
  readonly sampler: SamplerName;
  readonly steps: number;
}

export type PlaneEvent =
  | { readonly kind: "training"; readonly step: number; readonly loss: number }
  | PlaneStep;

/** The points after a step. */
export interface PlaneStep {
  readonly kind: "step";
  readonly step: number;
  readonly steps: number;
  /** [POINTS, 2] */
  readonly points: Float32Array;
  /** Points of the grid, and the clean points that the network predicts of them: [GRID^2, 4]. */
  readonly field: Float32Array;
}

/** The point at u in [0, 1) of the data. */
export function pointOf(data: PlaneData, u: number, i: number): [number, number] {
  switch (data.kind) {
    case "moons":
      return moon(u, i % 2 === 0 ? 1 : -1);
    case "spiral": {
      const [angle, radius] = [3 * Math.PI * Math.sqrt(u), 1.5 * Math.sqrt(u)];
      return [radius * Math.cos(angle), radius * Math.sin(angle)];
    }
    case "drawn": {
      const at = 2 * Math.floor(u * data.points.length / 2);
      return [data.points[at]!, data.points[at + 1]!];
    }
  }
}
