import { assertEquals, assertMatch } from "@std/assert";
import { imageRuns, runImage, runImageProcess, workplace } from "./program.ts";

const ignore = !imageRuns;
const { folder } = workplace(1);

const USAGE: readonly { args: readonly string[]; message: RegExp }[] = [
  { args: ["--stpes", "3"], message: /--stpes: unknown flag; did you mean --steps\?/ },
  { args: ["--device", "webgpu"], message: /--device webgpu: .+ did you mean onnx-webgpu\?/ },
  { args: ["--device", "gpu"], message: /--device gpu: .+ did you mean tensorflow-gpu\?/ },
  { args: ["--verbose"], message: /--verbose: unknown flag; --help lists them all/ },
  { args: ["--preset", "nona"], message: /--preset nona: must be one of .+ did you mean nano\?/ },
  { args: ["--steps", "0"], message: /--steps 0: must be an integer of at least 1/ },
  { args: ["--steps", "many"], message: /--steps many: must be an integer/ },
  { args: ["--steps", "1e99"], message: /--steps 1e99/ },
  { args: ["--learning-rate=-1"], message: /--learning-rate -1: must be a number above 0/ },
  { args: ["--learning-rate", "NaN"], message: /--learning-rate NaN: must be a number/ },
  { args: ["--seed", "-1"], message: /--seed -1/ },
  { args: ["--device", "gpu"], message: /--device gpu: must be one of onnx/ },
  { args: ["smoke"], message: /smoke: belongs to no flag; did you mean --preset smoke\?/ },
  { args: ["--class", "Hat"], message: /--class "Hat": must be one of T-shirt\/top, Trouser/ },
  { args: ["--steps", "3", "--steps", "4"], message: /--steps is given more than once/ },
  { args: ["--out="], message: /--out needs a value/ },
  {
    args: ["--checkpoint", "x"],
    message: /--checkpoint x is for --sample-only and --study: give one of them too/,
  },
  {
    args: ["--sample-steps", "101", "--timesteps", "100"],
    message: /--sample-steps 101: the model has 100 timesteps; give at most 100/,
  },
  {
    args: ["--class-dropout", "0", "--guidance", "3"],
    message:
      /--guidance 3 needs a model trained with a null class: use --guidance 1, or train with/,
  },
  { args: ["--timesteps", "1"], message: /--timesteps 1: must be an integer from 2 to 100000/ },
  { args: ["--eta", "-0.1"], message: /--eta -0\.1: must be a number from 0 to 1/ },
  { args: ["--eta", "1.5"], message: /--eta 1\.5: must be a number from 0 to 1/ },
  { args: ["--solver-order", "4"], message: /--solver-order 4: must be an integer from 1 to 3/ },
  {
    args: ["--solver-order", "3"],
    message: /--solver-order is for --sampler dpmpp_multistep, .+: ddim does not take it/,
  },
  {
    args: ["--sampler", "ddpm", "--eta", "0.5"],
    message: /--eta is for --sampler ddim: ddpm does not take it/,
  },
  {
    args: ["--respacing", "ddim10", "--sample-steps", "10"],
    message: /--respacing sets the timesteps: leave --sample-steps out/,
  },
  {
    args: ["--sample-timesteps", "50,60"],
    message: /--sample-timesteps 50,60: timesteps must fall, but timesteps\[1\] is 60 after 50/,
  },
  {
    args: ["--sample-timesteps", "100,0"],
    message: /--sample-timesteps 100,0: timesteps\[0\] is 100; it must be an integer from 0 to 99/,
  },
  {
    args: ["--guidance", "1", "--guidance-rescale", "0.7"],
    message: /--guidance-rescale 0\.7 has no effect without guidance/,
  },
  {
    args: ["--guidance-low", "3", "--guidance-high", "2"],
    message: /--guidance-low 3 --guidance-high 2: the interval of guidance is 3 to 2/,
  },
  { args: ["--dynamic-threshold", "2"], message: /--dynamic-threshold 2: must be a number from 0/ },
  { args: ["--loss", "l2"], message: /--loss l2: must be one of mse, l1, huber/ },
  { args: ["--huber-delta", "2"], message: /--huber-delta 2 is for --loss huber, not mse/ },
  { args: ["--p2-k", "2"], message: /--p2-k 2 needs --p2-gamma above 0/ },
  {
    args: ["--p2-gamma", "1", "--min-snr-gamma", "5"],
    message: /--min-snr-gamma 5 and --p2-gamma 1 both weight the loss: set one to 0/,
  },
  {
    args: ["--zero-terminal-snr", "--prediction-type", "epsilon"],
    message: /--zero-terminal-snr ends in pure noise, where --prediction-type epsilon does not/,
  },
  {
    args: ["--beta-schedule", "linear_scaled_to_t", "--timesteps", "10"],
    message: /the noise schedule's beta at timestep \d is .+ check .+ the number of timesteps/,
  },
  {
    args: ["--denoiser", "dit", "--channels", "8,8"],
    message: /--channels is for --denoiser unet: dit does not take it/,
  },
  { args: ["--timestep-sampling", "sobol"], message: /--timestep-sampling sobol: must be one of/ },
  { args: ["--trajectory"], message: /--trajectory is for --sample-only: give that too/ },
  { args: ["--from-step", "0"], message: /--from-step 0 is for --sample-only: give that too/ },
  {
    args: ["--sample-only", "--steps", "10"],
    message: /--steps 10 is for training, and --sample-only trains nothing: use --sample-steps\./,
  },
  {
    args: ["--sample-only", "--prediction-type", "epsilon"],
    message: /--prediction-type epsilon is for training, and --sample-only trains nothing/,
  },
  {
    args: ["--study", "ddim", "--steps", "10"],
    message: /--steps 10 is for training, and --study ddim trains nothing: use --study-steps\./,
  },
  {
    args: ["--study", "ddim", "--resume"],
    message: /--resume is for training, and --study ddim trains nothing: leave it out/,
  },
  {
    args: ["--sample-only", "--data-dir", "x"],
    message: /--data-dir x is for modes that read images, such as --inpaint: leave it out/,
  },
  {
    args: ["--sample-only", "--encode"],
    message: /--encode is for --interpolate A,B: give that too/,
  },
  {
    args: ["--sample-only", "--interpolate", "Bag"],
    message: /--interpolate Bag: must be two classes separated by a comma/,
  },
  {
    args: ["--sample-only", "--interpolate", "Bag,Hat"],
    message: /--interpolate "Hat": must be one of T-shirt\/top, Trouser/,
  },
  {
    args: ["--sample-only", "--interpolate", "Bag,Coat", "--class", "Bag"],
    message: /--class Bag contradicts --interpolate Bag,Coat: leave it out/,
  },
  {
    args: ["--sample-only", "--interpolate", "Bag,Coat", "--encode", "--guidance", "2"],
    message: /--guidance 2 is not for --encode, which uses ddim .+: leave it out/,
  },
  {
    args: ["--sample-only", "--inpaint", "half", "--dynamic-threshold", "0.9"],
    message: /--dynamic-threshold and --inpaint both change the predicted x0/,
  },
  {
    args: ["--log-every", "3", "--eval-every", "4"],
    message: /--eval-every 4 must be a multiple of --log-every 3/,
  },
  { args: ["--channels", "30,30"], message: /30 channels do not divide into 8 groups/ },
  {
    args: ["--channels", "8"],
    message: /--attention-levels 1: --channels has only 1 level, 0 to 0/,
  },
  { args: ["--channels", "8,8,8,8"], message: /images of 28 pixels cannot be halved 3 times/ },
  {
    args: ["--channels", "8,8", "--attention-levels", "0,2"],
    message: /--attention-levels 2: --channels has only 2 levels, 0 to 1/,
  },
];

Deno.test({
  name: "image refuses invalid command lines with exit code 2, before it writes anything",
  ignore,
  fn: async () => {
    const place = await folder();
    for (const { args, message } of USAGE) {
      const named = args.includes("--out=") ? [] : ["--out", `${place}/out`];
      const preset = args.includes("--preset") ? [] : ["--preset", "smoke"];
      const { code, stderr } = await runImage(...preset, ...named, ...args);
      assertMatch(stderr, message);
      assertMatch(stderr, /^error: [^\n]+\n$/, "one line, and no stack trace");
      assertEquals(code, 2);
    }
    assertEquals(await Array.fromAsync(Deno.readDir(place)), []);
  },
});

Deno.test({
  name: "image, as a process, refuses a wrong flag with exit code 2 and one line",
  ignore,
  fn: async () => {
    const ended = await runImageProcess("--steps", "0");
    assertEquals(ended, {
      code: 2,
      stdout: "",
      stderr: "error: --steps 0: must be an integer of at least 1\n",
    });
  },
});
