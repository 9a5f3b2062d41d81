/**
 * Convolutions padded by numbers on tfjs's tensorflow backend, whose own know "same" and "valid" only.
 * Most paddings by numbers are "same" under another name; the rest are made of "valid" and tf.pad().
 */
import { composedKernel, type Composition } from "./composed_kernels.ts";
import * as tf from "./tf.ts";

type Sizes = [number, number, number, number];

/** The attributes of tfjs's kernels for convolutions of images. */
interface Attributes {
  strides: number | [number, number];
  pad: number | "same" | "valid" | tf.backend_util.ExplicitPadding;
  dilations?: number | [number, number];
  dimRoundingMode?: "floor" | "round" | "ceil";
  dataFormat?: "NHWC" | "NCHW";
  inputShape?: Sizes;
  filterShape?: Sizes;
}

/** The kernels, and whether they convolve each channel by itself. */
const KERNELS: Readonly<Record<string, boolean>> = {
  Conv2D: false,
  FusedConv2D: false,
  Conv2DBackpropInput: false,
  Conv2DBackpropFilter: false,
  DepthwiseConv2dNative: true,
  FusedDepthwiseConv2D: true,
  DepthwiseConv2dNativeBackpropInput: true,
  DepthwiseConv2dNativeBackpropFilter: true,
};

function padded(kernelName: string, depthwise: boolean): Composition {
  return (tensors, attrs: Attributes) => {
    const shape = attrs.inputShape ?? tensors["x"]!.shape as Sizes;
    const filter = attrs.filterShape ?? tensors["filter"]!.shape as Sizes;
    const { strides, dilations = 1, dimRoundingMode } = attrs;
    const info = (pad: Attributes["pad"]) =>
      tf.backend_util
        .computeConv2DInfo(shape, filter, strides, dilations, pad, dimRoundingMode, depthwise);
    const run = (inputs: typeof tensors, changed: Partial<Attributes>) =>
      tf.engine().runKernel(kernelName, inputs, { ...attrs, ...changed }) as tf.Tensor;
    const { top, bottom, left, right } = info(attrs.pad).padInfo;
    const same = info("same").padInfo;
    if (
      [top - same.top, bottom - same.bottom, left - same.left, right - same.right].every((d) =>
        d === 0
      )
    ) {
      return run(tensors, { pad: "same" });
    }
    const [samples, height, width, channels] = shape;
    if (attrs.inputShape !== undefined) { // the gradient of the padded input, without its edges
      const whole = run(tensors, {
        pad: "valid",
        inputShape: [samples, height + top + bottom, width + left + right, channels],
      });
      return tf.slice(whole, [0, top, left, 0], shape);
    }
    const x = tf.pad(tensors["x"]!, [[0, 0], [top, bottom], [left, right], [0, 0]]);
    return run({ ...tensors, x }, { pad: "valid" });
  };
}

/** Adds the paddings to the kernels of a backend; what they could do before, they do as before. */
export function registerPaddedConvolutions(backendName: string): void {
  for (const [kernelName, depthwise] of Object.entries(KERNELS)) {
    const native = tf.getKernel(kernelName, backendName);
    if (native === undefined) continue;
    const compose = composedKernel(padded(kernelName, depthwise));
    tf.unregisterKernel(kernelName, backendName);
    tf.registerKernel({
      ...native,
      kernelFunc: (params) => {
        const { pad, dataFormat } = params.attrs as unknown as Attributes;
        const plain = typeof pad === "string" || dataFormat === "NCHW";
        return plain ? native.kernelFunc(params) : compose(params);
      },
    });
  }
}
