import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { AUTO_ORDER, DEVICE_NAMES, type DeviceName, openDevice } from "../device.ts";
import { usesTensorFlow } from "../device_names.ts";
import { EXIT, UserError } from "@nanodiffusion/base/errors";
import * as tf from "../tf.ts";
import { type HostArray, scalar } from "../tree.ts";
import { deviceWorks } from "../../tests/devices.ts";
import { runSnippet, snippetsWork } from "../../tests/run_snippet.ts";

Deno.test("openDevice() throws an error with all names when the name is unknown", async () => {
  const error = await assertRejects(() => openDevice("tpu" as DeviceName), UserError);
  assertEquals(error.exitCode, EXIT.usage);
  assertEquals(
    error.message,
    'There is no device "tpu". Devices: onnx, onnx-webgpu, wasm, cpu, tensorflow, tensorflow-gpu, auto.',
  );
});

for (const name of DEVICE_NAMES) {
  Deno.test({
    name: `openDevice() returns a device with name, threads and time for ${name}`,
    ignore: !deviceWorks(name),
    fn: async () => {
      const device = await openDevice(name, { threads: 2 });
      assertEquals(device.name, name);
      // libtensorflow's threads are set once for a process, perhaps by another test.
      if (name.startsWith("onnx")) assertEquals(device.threads, 2);
      else if (!usesTensorFlow(name)) assertEquals(device.threads, 1);
      assertEquals(device.milliseconds, 0);
      const square = device.compile<{ x: HostArray }, HostArray>(({ x }) => tf.square(x));
      let last = 0;
      for (let i = 1; i <= 3; i++) {
        assertEquals(await square({ x: scalar(i) }), scalar(i * i));
        assert(device.milliseconds > last);
        last = device.milliseconds;
      }
      await square.dispose();
    },
  });
}

Deno.test({
  name: "Device.dispose() releases the graphs of all functions: a further call traces again",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    let traces = 0;
    const traced = (x: tf.Tensor) => {
      traces++;
      return tf.square(x);
    };
    let call: (inputs: { x: HostArray }) => Promise<HostArray>;
    {
      await using device = await openDevice("onnx", { threads: 1 });
      call = device.compile<{ x: HostArray }, HostArray>(({ x }) => traced(x));
      for (const value of [2, 3]) {
        assertEquals(await call({ x: scalar(value) }), scalar(value ** 2));
      }
      assertEquals(traces, 1);
    }
    assertEquals(await call({ x: scalar(4) }), scalar(16));
    assertEquals(traces, 2);
  },
});

Deno.test({
  name: "Device.dispose() leaves no memory behind when 50 devices are opened one after the other",
  ignore: !deviceWorks("onnx") || !snippetsWork,
  fn: async () => { // in a process of its own, since other tests take memory, too
    const { code, stdout, stderr } = await runSnippet(
      {
        "openDevice": "engine/device.ts",
        "scalar": "engine/tree.ts",
        "sum, mul, tensor, memory": "engine/tf.ts",
      },
      `const weights = new Float32Array(2 ** 22).fill(2 ** -12); // 16 MiB, a constant of the graph
      let early = 0;
      for (let i = 1; i <= 50; i++) {
        await using device = await openDevice("onnx", { threads: 1 });
        const call = device.compile(({ x }) => sum(mul(tensor(weights), x)));
        await call({ x: scalar(3) });
        if (i === 15) early = Deno.memoryUsage().rss;
      }
      console.log((Deno.memoryUsage().rss - early) / 2 ** 20, memory().numTensors);`,
    );
    assertEquals(code, 0, stderr);
    const [grown, tensors] = stdout.split(" ").map(Number);
    assertEquals(tensors, 0);
    assert(grown! < 300, `${grown} MiB more after 35 further devices with 16 MiB each`);
  },
});

Deno.test({
  name: "openDevice() opens the first device that works for auto, and logs why earlier ones do not",
  ignore: !deviceWorks("wasm"),
  fn: async () => {
    const lines: string[] = [];
    const device = await openDevice("auto", { threads: 1, log: (line) => lines.push(line) });
    const rank = AUTO_ORDER.findIndex((name) => name === device.name);
    assert(rank >= 0);
    assertEquals(lines.length, 1);
    assertStringIncludes(lines[0]!, `auto: using the ${device.name} device.`);
    for (const name of AUTO_ORDER.slice(0, rank)) {
      assertStringIncludes(lines[0]!, `The ${name} device`);
    }
    const square = device.compile<{ x: HostArray }, HostArray>(({ x }) => tf.square(x));
    assertEquals(await square({ x: scalar(3) }), scalar(9));
    await square.dispose();
  },
});

Deno.test({
  name: "openDevice() throws for a second device that cannot share a process with the first",
  ignore: !deviceWorks("tensorflow"),
  fn: async () => {
    await openDevice("tensorflow");
    await assertRejects(
      () => openDevice("onnx-webgpu"),
      UserError,
      "The onnx-webgpu device cannot be opened in a process that has opened tensorflow.",
    );
  },
});

Deno.test({
  name: "openDevice() names the adapter of onnx-webgpu, and takes none in software for auto",
  ignore: !deviceWorks("onnx-webgpu"),
  fn: async () => {
    const { adapter } = await openDevice("onnx-webgpu", { threads: 1 });
    assert(adapter !== undefined && adapter.name !== "" && adapter.largestTensor >= 2 ** 27);
    const lines: string[] = [];
    const { name } = await openDevice("auto", { threads: 1, log: (line) => lines.push(line) });
    assertEquals(name === "onnx-webgpu", !adapter.software);
    if (adapter.software) {
      assertStringIncludes(lines[0]!, `a software adapter only (${adapter.name})`);
    }
  },
});
