/** Normalizations that are kernels of tfjs. */
import type { Kernel, OnnxBackend } from "../../backend.ts";

/** A constant [C, C] with ones within `radius` of the diagonal. A product with it sums over neighbours. */
function band(backend: OnnxBackend, channels: number, radius: number): string {
  const values = Float32Array.from({ length: channels * channels }, (_, i) => {
    const distance = Math.abs(Math.floor(i / channels) - i % channels);
    return distance <= radius ? 1 : 0;
  });
  return backend.constant(values, [channels, channels], "float32");
}

/** bias + alpha * the sum of squares of a pixel's neighbouring channels. */
function localNorm(
  g: OnnxBackend,
  x: string,
  neighbours: string,
  { bias, alpha }: { bias: number; alpha: number },
): string {
  const sums = g.node("MatMul", [g.node("Mul", [x, x]), neighbours]);
  return g.node("Add", [g.node("Mul", [sums, g.scalar(alpha)]), g.scalar(bias)]);
}

export const normalizations: Record<string, Kernel> = {
  FusedBatchNorm: ({ x, mean, variance, offset, scale }, { varianceEpsilon = 0.001 }, backend) => {
    const deviation = backend.node("Sqrt", [
      backend.node("Add", [backend.plain(variance), backend.scalar(varianceEpsilon ?? 0.001)]),
    ]);
    const centred = backend.node("Sub", [backend.plain(x), backend.plain(mean)]);
    const scaled = scale == null ? centred : backend.node("Mul", [centred, backend.plain(scale)]);
    const normal = backend.node("Div", [scaled, deviation]);
    const value = offset == null ? normal : backend.node("Add", [normal, backend.plain(offset)]);
    return backend.tensor(value, x.shape);
  },
  // Krizhevsky et al. 2012, section 3.3.
  LRN: ({ x }, { depthRadius, bias, alpha, beta }, backend) => {
    const value = backend.plain(x);
    const norm = localNorm(backend, value, band(backend, x.shape[3], depthRadius), { bias, alpha });
    const power = backend.node("Pow", [norm, backend.scalar(-beta)]);
    return backend.tensor(backend.node("Mul", [value, power]), x.shape);
  },
  // dy / norm^beta - 2 alpha beta x * the sum over neighbours of dy * y / norm
  LRNGrad: ({ x, y, dy }, { depthRadius, bias, alpha, beta }, backend) => {
    const [value, gradient] = [backend.plain(x), backend.plain(dy)];
    const neighbours = band(backend, x.shape[3], depthRadius);
    const norm = localNorm(backend, value, neighbours, { bias, alpha });
    const own = backend.node("Mul", [gradient, backend.node("Pow", [norm, backend.scalar(-beta)])]);
    const products = backend.node("Mul", [gradient, backend.plain(y)]);
    const sums = backend.node("MatMul", [backend.node("Div", [products, norm]), neighbours]);
    const others = backend.node("Mul", [
      backend.node("Mul", [value, backend.scalar(2 * alpha * beta)]),
      sums,
    ]);
    return backend.tensor(backend.node("Sub", [own, others]), x.shape);
  },
};
