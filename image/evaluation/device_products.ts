/** Inner products of feature vectors, computed on a device. */
import type { InnerProducts } from "../../metrics/inner_products.ts";
import type { Device } from "../../engine/device.ts";
import { float32, type HostArray } from "../../engine/tree.ts";
import { countRows, type FeatureRows } from "../../metrics/feature_statistics.ts";
import * as tf from "../../engine/tf.ts";

/** Inner products in float32 on a device. */
export interface DeviceProducts extends InnerProducts {
  /** Releases its graphs. */
  dispose(): Promise<void>;
}

/** Compiles {@linkcode InnerProducts} for a device. */
export function compileProducts(device: Device): DeviceProducts {
  type Inputs = { a: HostArray; b: HostArray };
  const compiled = device.compile<Inputs, HostArray>(({ a, b }) =>
    tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D, false, true)
  );
  const rowsOf = (rows: FeatureRows) =>
    float32(Float32Array.from(rows.data), [countRows(rows), rows.width]);
  const products = async (a: FeatureRows, b: FeatureRows) =>
    (await compiled({ a: rowsOf(a), b: rowsOf(b) })).data;
  return Object.assign(products, { dispose: () => compiled.dispose() });
}
