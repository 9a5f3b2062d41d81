import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { type AdamMemory, adamMemory } from "../../engine/fused_adam.ts";
import { adamSlots, type AdamWOptions, adamWStep } from "../../nn/adamw.ts";
import { assertAllClose } from "../assert_close.ts";
import { fixtureJson, hasFixture } from "../fixtures.ts";

/** PyTorch's arguments of an optimizer. */
interface TorchArgs {
  lr: number;
  weight_decay: number;
  betas: [number, number];
  eps: number;
  [option: string]: unknown;
}

/** An optimizer's problem, and PyTorch's results. */
interface Case {
  args: TorchArgs;
  x: number[];
  y: number[];
  w0: number[];
  b0: number[];
  w: number[];
  b: number[];
  ema_w: number[];
  ema_b: number[];
  loss_and_grad_norm: [number, number][];
}

/** A number in the sentence that states the problem. */
function stated(problem: string, pattern: RegExp): number {
  const [, found] = pattern.exec(problem) ?? [];
  assert(found !== undefined, `"${problem}" does not state ${pattern}`);
  return Number(found);
}

const fixture = await fixtureJson("optimizers.json");
const FACTOR = stated(fixture.problem, /loss = ([\d.]+) \* mean/);
const MAX_NORM = stated(fixture.problem, /global norm of ([\d.]+)/);
const EMA_DECAY = stated(fixture.problem, /ema = ([\d.]+) ema/);
const [[ROWS, INPUTS], [, OUTPUTS]] = [fixture.shapes.x, fixture.shapes.w] as [
  [number, number],
  [number, number],
];
const WEIGHTS = INPUTS * OUTPUTS;

/** FACTOR mean((tanh(x w + b) - y)^2), and its gradient by w and b. */
function lossAndGradient(parameters: ArrayLike<number>, { x, y }: Case) {
  const gradient = new Float64Array(parameters.length);
  let loss = 0;
  for (let row = 0; row < ROWS; row++) {
    for (let column = 0; column < OUTPUTS; column++) {
      let sum = parameters[WEIGHTS + column]!;
      for (let i = 0; i < INPUTS; i++) {
        sum += x[row * INPUTS + i]! * parameters[i * OUTPUTS + column]!;
      }
      const error = Math.tanh(sum) - y[row * OUTPUTS + column]!;
      const scale = FACTOR / (ROWS * OUTPUTS);
      loss += scale * error ** 2;
      const slope = scale * 2 * error * (1 - Math.tanh(sum) ** 2);
      gradient[WEIGHTS + column]! += slope;
      for (let i = 0; i < INPUTS; i++) {
        gradient[i * OUTPUTS + column]! += slope * x[row * INPUTS + i]!;
      }
    }
  }
  return { loss, gradient };
}

/** Takes a step as PyTorch's optimizer of that name. */
const STEPS: Record<string, (memory: AdamMemory, args: TorchArgs, step: number) => void> = {
  adam: (memory, args, step) => stepOf(memory, args, step, { weightDecay: 0 }),
  adamw: (memory, args, step) => stepOf(memory, args, step, { weightDecay: args.weight_decay }),
  // PyTorch's weight decay of Adamax is a part of the clipped gradient: L2 regularization.
  adamax: (memory, args, step) => {
    const clip = Math.min(1, MAX_NORM / (memory.gradientNorm() + 1e-6));
    const { gradient, parameters } = memory;
    gradient.forEach((g, i) => gradient[i] = clip * g + args.weight_decay * parameters[i]!);
    stepOf(memory, args, step, { rule: "adamax", weightDecay: 0, maxGradNorm: Infinity });
  },
};

function stepOf(memory: AdamMemory, args: TorchArgs, step: number, options: AdamWOptions): void {
  for (const option of ["amsgrad", "maximize"]) {
    assert(!args[option], `adamWStep() has no ${option}`);
  }
  const [beta1, beta2] = args.betas;
  adamWStep(
    memory,
    memory.gradientNorm(),
    { step, learningRate: args.lr, emaDecay: EMA_DECAY },
    { beta1, beta2, epsilon: args.eps, maxGradNorm: MAX_NORM, ...options },
  );
}

const CASES = fixture.cases as Record<string, Case>;
for (const [name, takeStep] of Object.entries(STEPS)) {
  Deno.test(`adamWStep() with clipping and EMA computes the parameters of PyTorch's ${name}`, {
    ignore: !hasFixture("optimizers.json"),
  }, () => {
    const given = CASES[name]!;
    const memory = adamMemory(WEIGHTS + OUTPUTS);
    memory.parameters.set([...given.w0, ...given.b0]);
    memory.average.set(memory.parameters);
    for (const [i, [expectedLoss, expectedNorm]] of given.loss_and_grad_norm.entries()) {
      const { loss, gradient } = lossAndGradient(memory.parameters, given);
      memory.gradient.set(gradient);
      const norm = memory.gradientNorm();
      assertAlmostEquals(loss, expectedLoss, 1e-5 * expectedLoss, `loss of step ${i + 1}`);
      assertAlmostEquals(norm, expectedNorm, 1e-4 * expectedNorm, `norm of step ${i + 1}`);
      takeStep(memory, given.args, i + 1);
    }
    assertAllClose(memory.parameters, [...given.w, ...given.b], { message: "parameters" });
    assertAllClose(memory.average, [...given.ema_w, ...given.ema_b], { message: "average" });
  });
}

Deno.test("adamWStep() clips by the global norm: one factor for all, which only reduces", () => {
  const clipped = (maxGradNorm: number) => {
    const memory = adamMemory(3);
    memory.gradient.set([3, 0, 4]);
    const settings = { step: 1, learningRate: 0, emaDecay: 0 };
    adamWStep(memory, memory.gradientNorm(), settings, { beta1: 0.5, beta2: 0.75, maxGradNorm });
    assertAllClose(memory.variance, memory.mean.map((mean) => 0.25 * (mean / 0.5) ** 2));
    return memory.mean.map((mean) => mean / 0.5);
  };
  assertAllClose(clipped(1), [0.6, 0, 0.8]);
  assertAllClose(clipped(2.5), [1.5, 0, 2]);
  assertAllClose(clipped(5.1), [3, 0, 4]);
  assertAllClose(clipped(1e6), [3, 0, 4]);
  assertAllClose(clipped(Infinity), [3, 0, 4]);
});

Deno.test("adamWStep() decays weights apart from the gradient", () => {
  for (const rule of ["adamw", "adamax"] as const) {
    const memory = adamMemory(2);
    memory.parameters.set([10, -4]);
    const settings = { step: 1, learningRate: 0.5, emaDecay: 0 };
    adamWStep(memory, 0, settings, { rule, weightDecay: 0.1 });
    assertAllClose(memory.parameters, [9.5, -3.8]);
  }
});

Deno.test("adamWStep() updates a range alone, clipped by the norm of the whole gradient", () => {
  const memory = adamMemory(3);
  memory.parameters.set([1, 1, 1]);
  memory.gradient.set([3, 0, 4]);
  const settings = { step: 1, learningRate: 0.25, emaDecay: 0 };
  const options = { maxGradNorm: 1, weightDecay: 0 };
  adamWStep(memory, memory.gradientNorm(), settings, options, { from: 2, to: 3 });
  assertAllClose(memory.parameters, [1, 1, 0.75]);
  assertAllClose(memory.mean, [0, 0, 0.1 * 0.8]);
});

Deno.test("adamSlots() names the optimizer's vectors", () => {
  assertEquals(adamSlots(), ["mean", "variance"]);
  assertEquals(adamSlots({ rule: "adamw" }), ["mean", "variance"]);
  assertEquals(adamSlots({ rule: "adamax" }), ["mean", "largest"]);
});
