import { assertEquals } from "@std/assert";
import { deviceWorks } from "./devices.ts";
import { hasSoftwareAdapter, testOnWebGpu } from "./on_webgpu.ts";
import { permitted } from "./permissions.ts";

const ignore = !deviceWorks("onnx") || !hasSoftwareAdapter() ||
  !permitted({ name: "read" }, { name: "write" }, { name: "run" });

for (
  const [what, filter, file] of [
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
