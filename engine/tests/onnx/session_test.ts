import { assert, assertEquals, assertRejects } from "@std/assert";
import { UserError } from "@nanodiffusion/base/errors";
import { Graph, NCHWC } from "../../onnx/graph.ts";
import { probeBlockSize } from "../../onnx/probe.ts";
import { ELEMENT_TYPE } from "../../onnx/proto.ts";
import { createSession } from "../../onnx/session.ts";
import { float32 } from "../../tree.ts";
import { deviceWorks } from "../../../tests/devices.ts";

const ignore = !deviceWorks("onnx");

Deno.test({
  name:
    "createSession() throws an error with the operation's name when ONNX Runtime refuses a graph",
  ignore,
  fn: async () => {
    const graph = new Graph();
    graph.scope = "Cumsum";
    const value = graph.node("NoSuchOperation", ["x"]);
    const info = { elementType: ELEMENT_TYPE.float32, shape: [1] };
    const model = graph.encode([{ ...info, name: "x" }], [{ ...info, name: value }]);
    const error = await assertRejects(() => createSession(model, { threads: 1 }), UserError);
    assert(error.message.startsWith("ONNX Runtime refused a traced graph"), error.message);
    assert(error.message.includes("NoSuchOperation"), error.message);
    await assertRejects(() => createSession(Uint8Array.of(1, 2, 3), { threads: 1 }), UserError);
  },
});

Deno.test({
  name: "probeBlockSize() returns the block size of a reordered image",
  ignore,
  fn: async () => {
    const block = await probeBlockSize();
    assert([0, 4, 8, 16].includes(block), `${block}`);
    if (block === 0) return;
    // Two blocks of channels and two pixels: [C/b, W, b] in memory.
    const channels = 2 * block;
    const graph = new Graph();
    const reordered = graph.node("ReorderInput", ["x"], { channels_last: 1 }, NCHWC);
    const flat = graph.node("Reshape", [reordered, graph.int64s([2 * channels])]);
    const input = { name: "x", elementType: ELEMENT_TYPE.float32, shape: [1, 1, 2, channels] };
    const model = graph.encode([input], [{ ...input, name: flat, shape: [2 * channels] }]);
    const session = await createSession(model, { threads: 1 });
    const numbers = Float32Array.from({ length: 2 * channels }, (_, i) => i);
    const [result] = await session.run([float32(numbers, input.shape)]);
    await session.dispose();
    const expected = [0, 1].flatMap((half) =>
      [0, 1].flatMap((pixel) =>
        Array.from({ length: block }, (_, i) => pixel * channels + half * block + i)
      )
    );
    assertEquals([...result!.data], expected);
  },
});
