/**
 * Runs tests on --device onnx-webgpu, in a process of their own: drivers are chosen by the environment, and
 * tests in several threads would share one GPU.
 *
 *     deno task test:webgpu     # on this machine's GPU, or on Chromium's software adapter
 */

/** Where Debian's package chromium has a Vulkan loader and SwiftShader, an adapter in software. */
const CHROMIUM = "/usr/lib/chromium";
const DRIVER = `${CHROMIUM}/vk_swiftshader_icd.json`;

/** The tests of the kernels, which compare a device with cpu. */
const KERNELS = ["kernels", "gradients_test.ts", "ranks_test.ts"]
  .map((name) => `engine/tests/onnx/${name}`);

/** The tests of models and programs that have onnx-webgpu in their names. */
const MODELS = [
  "engine/tests/device_test.ts",
  "tests/diffusion/networks/dit_test.ts",
  "tests/diffusion/networks/unet_test.ts",
  "tests/text/denoiser/network_test.ts",
  "tests/training/step_test.ts",
  "tests/training/webgpu_test.ts",
  "tests/vae/bert_gpt2_test.ts",
];

/** Whether the software adapter is installed, in a test run that may look for it. */
export function hasSoftwareAdapter(): boolean {
  try {
    return Deno.statSync(DRIVER).isFile;
  } catch {
    return false;
  }
}

/** Runs tests, and returns the exit code and what they printed, unless that is inherited. */
export async function testOnWebGpu(
  files: readonly string[],
  options: { software: boolean; filter?: string | undefined; inherit?: boolean | undefined },
): Promise<{ code: number; output: string }> {
  const { software, filter, inherit = false } = options;
  const folder = await Deno.makeTempDir();
  const driver = software
    ? {
      LD_LIBRARY_PATH: CHROMIUM,
      VK_DRIVER_FILES: DRIVER,
      VK_ICD_FILENAMES: DRIVER,
      XDG_RUNTIME_DIR: folder,
    }
    : {};
  try {
    const filters = filter === undefined ? [] : ["--filter", filter];
    const child = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-q", "-P=test", "--no-check", ...filters, ...files],
      cwd: new URL("..", import.meta.url),
      env: { ...driver, DEVICE: "onnx-webgpu", NO_COLOR: "1" },
      stdout: inherit ? "inherit" : "piped",
      stderr: inherit ? "inherit" : "piped",
    }).output();
    const decoder = new TextDecoder();
    const output = inherit ? "" : decoder.decode(child.stdout) + decoder.decode(child.stderr);
    return { code: child.code, output };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  const gpu = navigator.gpu as GPU | undefined;
  const adapter = await gpu?.requestAdapter();
  const software = adapter?.info.isFallbackAdapter !== false;
  const kernels = await testOnWebGpu(KERNELS, { software, inherit: true });
  const models = await testOnWebGpu(MODELS, { software, filter: "onnx-webgpu", inherit: true });
  Deno.exit(kernels.code || models.code);
}
