import { assert, assertEquals, assertMatch } from "@std/assert";
import { describePlaces, describeTrial, tryDevice } from "../../tools/devices.ts";
import { permitted } from "../permissions.ts";

Deno.test("describeTrial() prints speed and threads of a device that works, and the failure of another", () => {
  assertMatch(
    describeTrial({ device: "onnx", threads: 2, milliseconds: 2, gigaflops: 158.4 }),
    /^onnx +yes +158 GFLOPS .*; 2 threads$/,
  );
  assertMatch(
    describeTrial({ device: "onnx-webgpu", threads: 1, gigaflops: 0.419, adapter: "Card" }),
    /^onnx-webgpu +yes +0\.42 GFLOPS .*; Card$/,
  );
  assertEquals(
    describeTrial({ device: "tensorflow", failure: "not set up: run this" }),
    "tensorflow      no   not set up: run this",
  );
});

Deno.test("describePlaces() counts nodes on the GPU and on the processor, most frequent first", () => {
  assertEquals(
    describePlaces({ graph: "UNet", gpu: 9, copies: 5, processor: { Sin: 1, Where: 2 } }),
    "UNet            9 on the GPU, 3 on the processor (2 Where, 1 Sin), 5 copies",
  );
  assertEquals(
    describePlaces({ graph: "BERT", gpu: 81, copies: 0, processor: {} }),
    "BERT            81 on the GPU, 0 on the processor, 0 copies",
  );
});

Deno.test({
  name: "tryDevice() measures a device in a separate process with the permissions of image.ts",
  ignore: !permitted({ name: "read" }, { name: "run" }),
  fn: async () => {
    const { device, failure, gigaflops } = await tryDevice("wasm");
    assertEquals([device, failure], ["wasm", undefined]);
    assert(gigaflops! > 0);
  },
});
