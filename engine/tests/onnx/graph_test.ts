import { assertEquals, assertNotEquals } from "@std/assert";
import { shareBuffer } from "../../memory.ts";
import { Graph, MICROSOFT } from "../../onnx/graph.ts";
import { ELEMENT_TYPE } from "../../onnx/proto.ts";
import { createSession } from "../../onnx/session.ts";
import { float32, type HostArray } from "../../tree.ts";
import { deviceWorks } from "../../../tests/devices.ts";
import { operators } from "./decode_model.ts";

const vector = (name: string, length: number) => ({
  name,
  elementType: ELEMENT_TYPE.float32,
  shape: [length],
});

Deno.test("node() shares an operation when operator, inputs and attributes are equal", () => {
  const graph = new Graph();
  const first = graph.node("Add", ["a", "b"]);
  assertEquals(graph.node("Add", ["a", "b"]), first);
  assertEquals(graph.size, 1);
  const others = [
    graph.node("Add", ["b", "a"]),
    graph.node("Mul", ["a", "b"]),
    graph.node("Add", ["a", "b"], {}, MICROSOFT),
    graph.node("Add", ["a", "b"], { axis: 0 }),
    graph.node("Add", ["a", "b"], { axis: 1 }),
    graph.node("Add", ["a", "b"], { axis: { float: 1 } }),
    graph.node("Add", ["a", "b"], { axis: [1] }),
    graph.node("Add", ["a", "b"], { axis: "1" }),
    graph.node("Add", ["a,b"]),
  ];
  assertEquals(new Set([first, ...others]).size, 1 + others.length);
  assertEquals(graph.size, 1 + others.length);
});

Deno.test("node() shares chains of operations when their beginnings are shared", () => {
  const graph = new Graph();
  const chain = () => graph.node("Exp", [graph.node("Neg", [graph.node("Abs", ["x"])])]);
  assertEquals(chain(), chain());
  assertEquals(graph.size, 3);
});

Deno.test("nodes() names every output of an operation", () => {
  const graph = new Graph();
  const parts = graph.nodes("Split", ["x"], 3, {});
  assertEquals(new Set(parts).size, 3);
  assertEquals(graph.nodes("Split", ["x"], 3, {}), parts);
  assertNotEquals(graph.nodes("Split", ["x"], 2, {}), parts.slice(0, 2));
});

Deno.test("constant() shares constants when type, shape and every bit are equal", () => {
  const graph = new Graph();
  const zero = graph.scalar(0);
  assertEquals(graph.scalar(0), zero);
  assertEquals(graph.constant(Float32Array.of(0), [], "float32"), zero);
  const others = [
    graph.scalar(-0),
    graph.scalar(NaN),
    graph.scalar(Infinity),
    graph.constant([0], [], "int32"),
    graph.constant([0], [], "int64"),
    graph.constant([0], [], "bool"),
    graph.constant([0], [1], "float32"),
    graph.constant([0, 0], [2], "float32"),
    graph.constant([0, -0], [2], "float32"),
  ];
  assertEquals(new Set([zero, ...others]).size, 1 + others.length);
  assertEquals(graph.scalar(-0), others[0]);
  assertEquals(graph.scalar(NaN), others[1]);
});

Deno.test("constant() distinguishes shapes with the same number of elements", () => {
  const graph = new Graph();
  const values = [1, 2, 3, 4];
  const names = [[4], [2, 2], [1, 4], [4, 1]].map((shape) =>
    graph.constant(values, shape, "float32")
  );
  assertEquals(new Set(names).size, 4);
  const large = new Float32Array(5000);
  assertNotEquals(
    graph.constant(large, [5000], "float32"),
    graph.constant(large, [50, 100], "float32"),
  );
});

Deno.test("encode() leaves out nodes that no output needs", () => {
  const graph = new Graph();
  const wanted = graph.node("Neg", [graph.node("Abs", ["x"])]);
  graph.node("Exp", [graph.node("Sin", [wanted])]);
  const model = graph.encode([vector("x", 2)], [vector(wanted, 2)]);
  assertEquals(operators(model), ["Abs", "Neg"]);
});

Deno.test("encode() leaves out constants that no output needs", () => {
  const graph = new Graph();
  const wanted = graph.node("Add", ["x", graph.constant([1], [1], "float32")]);
  const size = () => graph.encode([vector("x", 1)], [vector(wanted, 1)]).length;
  const before = size();
  graph.node("Mul", ["x", graph.constant(new Float32Array(5000), [5000], "float32")]);
  assertEquals(size(), before);
});

Deno.test({
  name: "encode() supports outputs that are inputs, constants, or the same value twice",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    const graph = new Graph();
    const sum = graph.node("Add", ["x", "y"]);
    const scaled = graph.node("Mul", [sum, graph.scalar(-0.5)]);
    const table = graph.constant([NaN, -0, 1e-40], [3], "float32");
    const model = graph.encode(
      [vector("x", 2), vector("y", 2)],
      [vector(scaled, 2), vector("x", 2), vector(table, 3), vector(scaled, 2)],
    );
    const session = await createSession(model, { threads: 1 });
    const results = await session.run([float32([1, 2]), float32([3, 6])]);
    await session.dispose();
    const expected: HostArray[] = [
      float32([-2, -4]),
      float32([1, 2]),
      float32([NaN, -0, 1e-40]),
      float32([-2, -4]),
    ];
    assertEquals(results, expected);
  },
});

Deno.test({
  name: "encode() returns large constants apart from the file, and createSession() accepts them",
  ignore: !deviceWorks("onnx"),
  fn: async () => {
    const graph = new Graph();
    const large = Float32Array.from({ length: 20_000 }, (_, i) => i / 7);
    const sum = graph.node("Add", [
      graph.node("Mul", ["x", graph.constant([3], [1], "float32")]),
      graph.constant(large, [20_000], "float32"),
    ]);
    graph.node("Mul", ["x", graph.constant(large.map((v) => -v), [20_000], "float32")]);
    const external = new Map<string, Uint8Array>();
    const model = graph.encode([vector("x", 20_000)], [vector(sum, 20_000)], external);
    assertEquals([...external.values()].map(({ length }) => length), [80_000]);
    assertEquals(model.length < 1000, true);
    const session = await createSession(model, { threads: 1 }, external);
    const [result] = await session.run([float32(new Float32Array(20_000).fill(2))]);
    await session.dispose();
    assertEquals(result, float32(large.map((v) => v + 6)));
  },
});

Deno.test("constant() uses a shared array itself, and copies others", () => {
  for (const isShared of [true, false]) {
    const graph = new Graph();
    const memory = new Float32Array(40_000).fill(1);
    const part = memory.subarray(10_000, 30_000);
    const name = graph.constant(isShared ? shareBuffer(part) : part, [20_000], "float32");
    memory.fill(2);
    const external = new Map<string, Uint8Array>();
    const sum = graph.node("Add", ["x", name]);
    graph.encode([vector("x", 20_000)], [vector(sum, 20_000)], external);
    const { buffer, byteOffset, length } = external.get(name)!;
    const found = new Float32Array(buffer as ArrayBuffer, byteOffset, length / 4);
    assertEquals(found, new Float32Array(20_000).fill(isShared ? 2 : 1));
  }
});
