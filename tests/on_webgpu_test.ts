import { assertEquals, assertStringIncludes } from "@std/assert";
import { deviceWorks } from "./devices.ts";
import { hasSoftwareAdapter, testOnWebGpu } from "./on_webgpu.ts";
import { permitted } from "./permissions.ts";

const ignore = !deviceWorks("onnx") || !hasSoftwareAdapter() ||
  !permitted({ name: "read" }, { name: "write" }, { name: "run" });

for (
  const [what, filter, file] of [
    ["devices", "onnx-webgpu", "engine/tests/device_test.ts"],
    ["gradients", undefined, "engine/tests/onnx/gradients_test.ts"],
    ["training", "onnx-webgpu", "tests/training/webgpu_test.ts"],
    ["language models", "onnx-webgpu", "tests/vae/bert_gpt2_test.ts"],
    ["image models", "unets/mixed on onnx-webgpu", "tests/diffusion/networks/unet_test.ts"],
  ] as const
) {
  Deno.test({
    name: `the tests of ${what} pass on onnx-webgpu with a software adapter`,
    ignore,
    fn: async () => {
      const { code, output } = await testOnWebGpu([file], { software: true, filter });
      assertEquals(code, 0, output);
    },
  });
}

Deno.test({
  name: "onnx-webgpu says in one line what it needs when Vulkan has no driver",
  ignore: !deviceWorks("onnx") || !permitted({ name: "run" }) || Deno.build.os !== "linux",
  fn: async () => {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "tools/device_trial.ts", "--device", "onnx-webgpu"],
      cwd: new URL("..", import.meta.url),
      env: { VK_DRIVER_FILES: "none", VK_ICD_FILENAMES: "none" },
      stderr: "null",
    }).output();
    const { failure } = JSON.parse(new TextDecoder().decode(stdout));
    assertStringIncludes(failure, "finds no adapter: it needs a GPU and its driver, on Linux for");
  },
});
