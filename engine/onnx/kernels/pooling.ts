/** Pooling. */
import * as tf from "../../tf.ts";
import type { Kernel } from "../backend.ts";
import { isBlocked, NCHWC } from "../layout.ts";
import { toChannelsFirst, toChannelsLast } from "./convolution.ts";

function pooling(op: "AveragePool" | "MaxPool"): Kernel {
  return ({ x }, { filterSize, strides, pad, dimRoundingMode }, backend) => {
    const info = tf.backend_util.computePool2DInfo(
      x.shape,
      filterSize,
      strides,
      1,
      pad,
      dimRoundingMode,
    );
    const { top, left, bottom, right } = info.padInfo;
    const attributes = {
      kernel_shape: [info.filterHeight, info.filterWidth],
      strides: [info.strideHeight, info.strideWidth],
      pads: [top, left, bottom, right],
    };
    if (isBlocked(backend, x)) {
      const value = backend.node(op, [backend.blocked(x)], { ...NCHWC, attributes });
      return backend.blockedTensor(value, info.outShape);
    }
    const image = toChannelsFirst(backend, backend.plain(x), x.shape);
    const value = backend.node(op, [image], { attributes });
    return backend.tensor(toChannelsLast(backend, value), info.outShape);
  };
}

/** The kernels by their tfjs names. */
export const poolings: Record<string, Kernel> = {
  AvgPool: pooling("AveragePool"),
  MaxPool: pooling("MaxPool"),
};
