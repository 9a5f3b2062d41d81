import { assertEquals } from "@std/assert";
import config from "../../engine/deno.json" with { type: "json" };
import { deviceWorks } from "../devices.ts";
import { permitted } from "../permissions.ts";

Deno.test({
  name: "tools/cuda/provider.txt pins the version of npm:onnxruntime-node",
  ignore: !permitted({ name: "read" }),
  fn: async () => {
    const list = await Deno.readTextFile(new URL("../../tools/cuda/provider.txt", import.meta.url));
    const version = config.imports["onnxruntime-node"].split("@").at(-1);
    assertEquals(/^onnxruntime-gpu==(\S+) --hash=sha256:[0-9a-f]{64}$/m.exec(list)?.[1], version);
  },
});

Deno.test({
  name: "openDevice() names the setup task when the provider of onnx-cuda is missing",
  ignore: !deviceWorks("onnx") || !permitted({ name: "read" }) || Deno.build.os !== "linux",
  fn: async () => {
    const { CUDA_PROVIDER, nativeFolder } = await import("../../engine/onnx_library.ts");
    const { openDevice } = await import("../../engine/device.ts");
    const exists = async (name: string) =>
      await Deno.stat(`${nativeFolder()}/${name}`).then(() => true, () => false);
    if ((await Promise.all(CUDA_PROVIDER.map(exists))).every(Boolean)) return; // tested with the device
    const message = await openDevice("onnx-cuda").then(() => "opened", (error) => error.message);
    assertEquals(message, "The onnx-cuda device is not set up: run deno task setup:cuda");
  },
});
