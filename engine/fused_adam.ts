/**
 * Adam and Adamax on the host, in one pass over memory; as operations of a graph they would be a dozen. The
 * vectors are in the memory of a WebAssembly module.
 */
import { usageError } from "@nanodiffusion/base/errors";
import {
  type Code,
  f32x4,
  f64x2,
  get,
  i32,
  load,
  repeatWhile,
  set,
  small,
  store,
  upperHalf,
  type WasmFunction,
  wasmModule,
} from "./fused_wasm_code.ts";

/** The vectors, which have equal lengths. */
const VECTORS = ["parameters", "mean", "variance", "average", "gradient"] as const;

/** The factors, in the order of the WebAssembly functions' parameters. */
const FACTORS = [
  "mean",
  "gradient",
  "variance",
  "square",
  "epsilon",
  "rate",
  "decay",
  "average",
] as const;

/** The update rule: see {@linkcode AdamMemory.update}. */
export type AdamRule = "adam" | "adamax";

/** The factors of a step. `clip` is the factor that clips the gradient. */
export interface AdamNumbers {
  /** The factor of the mean: beta1. */
  readonly mean: number;
  /** The factor of the gradient in the mean: (1 - beta1) * clip. */
  readonly gradient: number;
  /** The factor of the variance: beta2. */
  readonly variance: number;
  /**
   * The factor of the gradient's square: (1 - beta2) * clip^2. For Adamax, the factor of the gradient's
   * magnitude: clip.
   */
  readonly square: number;
  /**
   * The number added to the root of the variance: epsilon * sqrt(1 - beta2^step). For Adamax, the number
   * added to the gradient's magnitude: epsilon.
   */
  readonly epsilon: number;
  /**
   * The factor of mean / root: learning rate * sqrt(1 - beta2^step) / (1 - beta1^step). For Adamax, without
   * the square root.
   */
  readonly rate: number;
  /** The factor of the parameter: 1 - learning rate * weight decay. */
  readonly decay: number;
  /** The factor of (new parameter - average) in the average: 1 - the average's decay. */
  readonly average: number;
}

/** A range of positions in the vectors. */
export interface AdamRange {
  /** The first position. */
  readonly from: number;
  /** The position after the last. */
  readonly to: number;
}

/** Vectors of all parameters of a model, and the updates of Adam. */
export interface AdamMemory {
  /** The parameters. */
  readonly parameters: Float32Array<ArrayBuffer>;
  /** The exponentially decaying mean of the gradients. */
  readonly mean: Float32Array<ArrayBuffer>;
  /** The decaying mean of their squares. For Adamax, the decaying maximum of their magnitudes. */
  readonly variance: Float32Array<ArrayBuffer>;
  /** The exponential moving average of the parameters, or the parameters themselves if there is none. */
  readonly average: Float32Array<ArrayBuffer>;
  /** The gradient. The caller writes it here before a step. */
  readonly gradient: Float32Array<ArrayBuffer>;
  /** The Euclidean norm of the gradient, summed in double precision. */
  gradientNorm(): number;
  /**
   * A step of Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101), and of the
   * moving average e. With the factors of {@linkcode AdamNumbers}, parameters p and gradients g:
   *
   *     m' = mean m + gradient g
   *     v' = variance v + square g^2
   *     p' = decay p - rate m' / (sqrt(v') + epsilon)
   *     e' = e + average (p' - e)
   *
   * Adamax (Kingma and Ba 2015, arXiv:1412.6980, section 7.1) has v' = max(variance v, square |g| + epsilon)
   * and p' = decay p - rate m' / v'.
   *
   * @param range The positions to update. @default All.
   * @param rule The update rule. @default "adam"
   */
  update(factors: AdamNumbers, range?: AdamRange, rule?: AdamRule): void;
}

/** The functions that the module exports. Addresses and lengths are in bytes. */
interface Exports extends Record<AdamRule, (...addressesLengthAndFactors: number[]) => void> {
  sumOfSquares(address: number, length: number): number;
}

const PAGE = 65536;
const MAX_PAGES = 65536;
/** Numbers of one SIMD instruction. Vectors are padded with zeros to a multiple. */
const LANES = 4;

type Quad = [number, number, number, number];

/** The loop of one update rule. Its parameters are addresses, their length in bytes, and the factors. */
function updateFunction(rule: AdamRule): WasmFunction {
  const [p, m, v, e, g, length] = [0, 1, 2, 3, 4, 5];
  const firstFactor = 6;
  const offset = firstFactor + FACTORS.length;
  const firstSplat = offset + 1;
  const firstVector = firstSplat + FACTORS.length;
  const [gradient, mean, variance, parameter] = [0, 1, 2, 3].map((i) => firstVector + i) as Quad;
  const factor = (name: typeof FACTORS[number]) => get(firstSplat + FACTORS.indexOf(name));
  const at = (vector: number) => i32.add(get(vector), get(offset));
  const { abs, add, sub, mul, div, max, sqrt, splat } = f32x4;
  const assign = (vector: number, local: number, value: Code): Code => [
    ...set(local, value),
    ...store(at(vector), get(local)),
  ];
  const decayed = mul(load(at(v)), factor("variance"));
  const newMean = add(mul(load(at(m)), factor("mean")), mul(get(gradient), factor("gradient")));
  const newVariance = rule === "adam"
    ? add(decayed, mul(mul(get(gradient), get(gradient)), factor("square")))
    : max(decayed, add(mul(abs(get(gradient)), factor("square")), factor("epsilon")));
  const divisor = rule === "adam" ? add(sqrt(get(variance)), factor("epsilon")) : get(variance);
  const newParameter = sub(
    mul(load(at(p)), factor("decay")),
    mul(div(get(mean), divisor), factor("rate")),
  );
  const moved = mul(sub(get(parameter), load(at(e))), factor("average"));
  return {
    name: rule,
    parameters: [...Array(firstFactor).fill("i32"), ...FACTORS.map(() => "f32" as const)],
    locals: ["i32", ...Array(FACTORS.length + 4).fill("v128")],
    body: [
      ...FACTORS.map((_, i) => set(firstSplat + i, splat(get(firstFactor + i)))),
      repeatWhile(i32.less(get(offset), get(length)), [
        set(gradient, load(at(g))),
        assign(m, mean, newMean),
        assign(v, variance, newVariance),
        assign(p, parameter, newParameter),
        store(at(e), add(load(at(e)), moved)),
        set(offset, i32.add(get(offset), small(4 * LANES))),
      ]),
    ],
  };
}

/** The sum of squares in double precision. The parameters are an address and a length in bytes. */
function sumOfSquaresFunction(): WasmFunction {
  const [address, bytes, position, four, sum] = [0, 1, 2, 3, 4];
  const squares = (two: Code) => f64x2.mul(f64x2.promoteLow(two), f64x2.promoteLow(two));
  return {
    name: "sumOfSquares",
    parameters: ["i32", "i32"],
    locals: ["i32", "v128", "v128"],
    result: "f64",
    body: [
      repeatWhile(i32.less(get(position), get(bytes)), [
        set(four, load(i32.add(get(address), get(position)))),
        set(sum, f64x2.add(get(sum), squares(get(four)))),
        set(sum, f64x2.add(get(sum), squares(upperHalf(get(four))))),
        set(position, i32.add(get(position), small(4 * LANES))),
      ]),
      f64x2.sum(get(sum)),
    ],
  };
}

/** The same arithmetic as the module's, bit for bit, for the numbers at the end of a range. */
function adamOneByOne(
  { parameters, mean, variance, average, gradient }: Pick<AdamMemory, typeof VECTORS[number]>,
  factors: AdamNumbers,
  { from, to }: AdamRange,
  rule: AdamRule,
): void {
  const round = Math.fround;
  const f = Object.fromEntries(
    FACTORS.map((name) => [name, round(factors[name])]),
  ) as unknown as AdamNumbers;
  for (let i = from; i < to; i++) {
    const g = gradient[i]!;
    const m = round(round(mean[i]! * f.mean) + round(g * f.gradient));
    const decayed = round(variance[i]! * f.variance);
    const v = rule === "adam"
      ? round(decayed + round(round(g * g) * f.square))
      : Math.max(decayed, round(round(Math.abs(g) * f.square) + f.epsilon));
    const divisor = rule === "adam" ? round(round(Math.sqrt(v)) + f.epsilon) : v;
    const step = round(round(m / divisor) * f.rate);
    const p = round(round(parameters[i]! * f.decay) - step);
    mean[i] = m;
    variance[i] = v;
    parameters[i] = p;
    average[i] = average[i]! + round(round(p - average[i]!) * f.average);
  }
}

/**
 * Allocates the vectors of a model, filled with zeros.
 *
 * @param count The number of parameters.
 * @param options `average`: whether to keep a moving average of the parameters. @default true
 * @throws {UserError} If the vectors do not fit into the 4 GB that WebAssembly can address.
 */
export function adamMemory(
  count: number,
  { average = true }: { average?: boolean | undefined } = {},
): AdamMemory {
  const stride = 4 * LANES * Math.ceil(count / LANES);
  const kept = VECTORS.filter((vector) => average || vector !== "average");
  const pages = Math.max(1, Math.ceil(kept.length * stride / PAGE));
  if (pages > MAX_PAGES) {
    throw usageError(
      `A model of ${count} parameters is too large to train: use one of at most ` +
        `${Math.floor(MAX_PAGES * PAGE / kept.length / 4)}.`,
    );
  }
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const code = wasmModule([
    updateFunction("adam"),
    updateFunction("adamax"),
    sumOfSquaresFunction(),
  ]);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(code), { host: { memory } });
  const { sumOfSquares, ...rules } = instance.exports as unknown as Exports;
  // Without an average, its address is that of the parameters. It is written last, as
  // p' + average (p' - p') = p'.
  const address = (vector: typeof VECTORS[number]) => Math.max(0, kept.indexOf(vector)) * stride;
  const view = (vector: typeof VECTORS[number]) =>
    new Float32Array(memory.buffer as ArrayBuffer, address(vector), count);
  const views = {
    parameters: view("parameters"),
    mean: view("mean"),
    variance: view("variance"),
    average: view("average"),
    gradient: view("gradient"),
  };
  return {
    ...views,
    gradientNorm: () => Math.sqrt(sumOfSquares(address("gradient"), stride)),
    update: (factors, { from, to } = { from: 0, to: count }, rule = "adam") => {
      // After the last of all numbers there are zeros; after the last of a range there are other numbers.
      const whole = to === count ? stride / 4 - from : to - from;
      const byFour = whole - whole % LANES;
      rules[rule](
        ...VECTORS.map((vector) => address(vector) + 4 * from),
        4 * byFour,
        ...FACTORS.map((name) => factors[name]),
      );
      adamOneByOne(views, factors, { from: from + byFour, to }, rule);
    },
  };
}
