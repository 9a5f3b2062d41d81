/** Convolutions of images [N, C, H, W], by way of those of images [N, H, W, C]. */
import type * as tf from "../../../tf.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";

/** Where each axis of [N, H, W, C] is in [N, C, H, W]. */
const TO_LAST = [0, 2, 3, 1];

/** Where each axis of [N, C, H, W] is in [N, H, W, C]. */
const TO_FIRST = [0, 3, 1, 2];

function transposed(
  backend: OnnxBackend,
  x: tf.TensorInfo,
  perm: readonly number[],
): tf.TensorInfo {
  const value = backend.transpose(backend.plain(x), perm);
  return backend.tensor(value, perm.map((axis) => x.shape[axis]!), x.dtype);
}

/**
 * Lets a kernel that knows images [N, H, W, C] take the attribute `dataFormat: "NCHW"` as well.
 *
 * @param images The names of its inputs that are images.
 * @param result Whether it gives images.
 */
export function inEitherFormat(kernel: Kernel, images: readonly string[], result: boolean): Kernel {
  return (inputs, attrs, backend) => {
    if (attrs.dataFormat !== "NCHW") return kernel(inputs, attrs, backend);
    const turned = Object.fromEntries(
      images.map((name) => [name, transposed(backend, inputs[name], TO_LAST)]),
    );
    const last = (list: unknown) => Array.isArray(list) ? TO_LAST.map((i) => list[i]) : list;
    const given = kernel({ ...inputs, ...turned }, {
      ...attrs,
      dataFormat: "NHWC",
      pad: last(attrs.pad), // a number or a word, or a pair for each axis
      ...(attrs.inputShape === undefined ? {} : { inputShape: last(attrs.inputShape) }),
    }, backend) as tf.TensorInfo;
    return result ? transposed(backend, given, TO_FIRST) : given;
  };
}
