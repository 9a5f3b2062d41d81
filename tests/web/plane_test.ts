import { assert, assertEquals } from "@std/assert";
import { openDevice } from "../../engine/device.ts";
import { drawPlane } from "../../web/plane/compute.ts";
import { type PlaneRequest, type PlaneStep, pointOf } from "../../web/plane/data.ts";
import { deviceWorks } from "../devices.ts";

/** The mean distance of points to the nearest of many points of the data. */
function distance(points: Float32Array, { data }: PlaneRequest): number {
  const near = Array.from({ length: 1000 }, (_, i) => pointOf(data, i / 1000, i));
  let sum = 0;
  for (let i = 0; i < points.length; i += 2) {
    sum += Math.min(...near.map(([x, y]) => Math.hypot(points[i]! - x, points[i + 1]! - y)));
  }
  return sum / (points.length / 2);
}

Deno.test({
  name: "drawPlane() moves noise to the data, whatever the network predicts",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    await using device = await openDevice("onnx");
    const request: PlaneRequest = {
      data: { kind: "moons" },
      betaSchedule: "squaredcos_cap_v2",
      prediction: "epsilon",
      trainingSteps: 1200,
      seed: 0,
      sampler: "ddim",
      steps: 25,
    };
    const run = async (changes: Partial<PlaneRequest>) => {
      const all = { ...request, ...changes };
      const steps: PlaneStep[] = [];
      const { trainingSeconds } = await drawPlane({ device, report: () => {} }, all, (event) => {
        if (event.kind === "step") steps.push(event);
      });
      const [first, last] = [steps[0]!, steps.at(-1)!];
      assertEquals(steps.map(({ step }) => step), [...Array(first.steps + 1).keys()]);
      assert(distance(first.points, all) > 0.3);
      return { trainingSeconds, distance: distance(last.points, all) };
    };
    for (
      const changes of [
        {},
        { prediction: "v_prediction", sampler: "dpmpp_multistep", data: { kind: "spiral" } },
        { prediction: "sample" },
        { betaSchedule: "linear_scaled_to_t" },
        { prediction: "flow" },
      ] as const
    ) {
      const { distance } = await run(changes);
      assert(distance < 0.12, `${JSON.stringify(changes)}: ${distance}`);
    }
    // The network is trained once; another sampler needs no training.
    await run({});
    const { trainingSeconds, distance: other } = await run({ sampler: "heun" });
    assertEquals(trainingSeconds, undefined);
    assert(other < 0.12, String(other));
  },
});
