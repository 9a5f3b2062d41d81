/** Classifies many images: their features and their classes. */
import type { Device } from "../../engine/device.ts";
import type * as tf from "../../engine/tf.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import { constants } from "../../nn/parameters.ts";
import { UserError } from "../../base/errors.ts";
import { argMax } from "../../metrics/arrays.ts";
import { applyClassifier } from "./network.ts";
import type { Classifier } from "./checkpoint.ts";
import type { FeatureRows } from "../../metrics/feature_statistics.ts";

/** The features and classes of images. */
export interface Classified {
  /** The features, [N, features]. */
  readonly features: FeatureRows;
  /** The class with the highest score, [N]. */
  readonly classes: Int32Array;
}

/** Images per batch: enough to use all cores, few enough for any memory. */
const BATCH = 200;

/**
 * Compiles a classifier of images [N, side, side, 1] in [-1, 1], flat. It throws a UserError if the length is
 * not that of whole images, or a value is not finite.
 *
 * @example The classes of two images of noise
 * ```ts
 * import { compileClassifier, loadClassifier, openDevice, randomStream } from "@nanodiffusion/nanodiffusion";
 *
 * await using device = await openDevice("onnx");
 * const classify = compileClassifier(device, await loadClassifier());
 * const { classes, features } = await classify(randomStream(0).normal(2 * 28 * 28).map(Math.tanh));
 * console.assert(classes.length === 2 && features.data.length === 2 * features.width);
 * ```
 */
export function compileClassifier(
  device: Device,
  { config, parameters }: Classifier,
  { side = 28 }: { side?: number } = {},
): ((images: Float32Array) => Promise<Classified>) & { dispose(): Promise<void> } {
  type Outputs = { features: HostArray; logits: HostArray };
  const compiled = device.compile<{ images: HostArray }, Outputs>(({ images }) => ({
    ...applyClassifier(constants(parameters), images as tf.Tensor4D, config),
  }));
  const size = side * side;
  const classify = async (images: Float32Array): Promise<Classified> => {
    const count = images.length / size;
    if (!Number.isInteger(count)) {
      throw new UserError(`${images.length} values are not whole images of ${side}x${side}`);
    }
    const bad = images.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw new UserError(
        `image ${Math.floor(bad / size)} of ${count} has the value ${images[bad]}, which is not ` +
          "finite: the model that generated it has diverged",
      );
    }
    const features = new Float32Array(count * config.features);
    const classes = new Int32Array(count);
    for (let start = 0; start < count; start += BATCH) {
      const part = images.subarray(start * size, (start + BATCH) * size);
      // The last batch is padded with grey images, since another size would need another graph.
      const batch = new Float32Array(BATCH * size);
      batch.set(part);
      const found = await compiled({ images: float32(batch, [BATCH, side, side, 1]) });
      const length = part.length / size;
      features.set(
        (found.features.data as Float32Array).subarray(0, length * config.features),
        start * config.features,
      );
      for (let i = 0; i < length; i++) {
        classes[start + i] = argMax(found.logits.data, i * config.classes, config.classes);
      }
    }
    return { features: { data: features, width: config.features }, classes };
  };
  return Object.assign(classify, { dispose: () => compiled.dispose() });
}

/** The share of images whose predicted class is the expected one, from 0 to 1. */
export function classAgreement(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let agreeing = 0;
  for (let i = 0; i < found.length; i++) if (found[i] === expected[i]) agreeing++;
  return agreeing / found.length;
}
