import { assert, assertEquals, assertRejects } from "@std/assert";
import { DEVICE_NAMES, type DeviceName, openDevice } from "../../engine/device.ts";
import { EXIT, UserError } from "../../engine/errors.ts";
import * as tf from "../../engine/tf.ts";
import { type HostArray, scalar } from "../../engine/tree.ts";
import { deviceWorks } from "../devices.ts";

Deno.test("openDevice() lists the devices when there is none of that name", async () => {
  const error = await assertRejects(() => openDevice("tpu" as DeviceName), UserError);
  assertEquals(error.exitCode, EXIT.usage);
  assertEquals(error.message, 'There is no device "tpu". Devices: onnx, wasm, cpu.');
});

for (const name of DEVICE_NAMES) {
  Deno.test({
    name: `openDevice() tells name, threads and time of ${name}`,
    ignore: !deviceWorks(name),
    fn: async () => {
      const device = await openDevice(name, { threads: 2 });
      assertEquals(device.name, name);
      assertEquals(device.threads, name === "onnx" ? 2 : 1);
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
