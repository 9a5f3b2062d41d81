/** Kernels of images [N, C, H, W], computed by kernels of images [N, H, W, C]. */
import type { TensorInfo } from "../../../tf.ts";
import type { Kernel, OnnxBackend } from "../../backend.ts";

/** The permutation from [N, C, H, W] to [N, H, W, C]. */
const TO_LAST = [0, 2, 3, 1];

/** The permutation from [N, H, W, C] to [N, C, H, W]. */
const TO_FIRST = [0, 3, 1, 2];

function transposed(backend: OnnxBackend, x: TensorInfo, perm: readonly number[]): TensorInfo {
  const value = backend.transpose(backend.plain(x), perm);
  return backend.tensor(value, perm.map((axis) => x.shape[axis]!), x.dtype);
}

/**
 * Makes a kernel of images [N, H, W, C] support the attribute `dataFormat: "NCHW"`.
 *
 * @param images The names of the inputs that are images.
 * @param result Whether the result is images.
 */
export function inEitherFormat(kernel: Kernel, images: readonly string[], result: boolean): Kernel {
  return (inputs, attrs, backend) => {
    if (attrs.dataFormat !== "NCHW") return kernel(inputs, attrs, backend);
    const transposedImages = Object.fromEntries(
      images.map((name) => [name, transposed(backend, inputs[name], TO_LAST)]),
    );
    const last = (list: unknown) => Array.isArray(list) ? TO_LAST.map((i) => list[i]) : list;
    const given = kernel({ ...inputs, ...transposedImages }, {
      ...attrs,
      dataFormat: "NHWC",
      pad: last(attrs.pad), // a number, a name, or a pair for each axis
      ...(attrs.inputShape === undefined ? {} : { inputShape: last(attrs.inputShape) }),
    }, backend) as TensorInfo;
    return result ? transposed(backend, given, TO_FIRST) : given;
  };
}
