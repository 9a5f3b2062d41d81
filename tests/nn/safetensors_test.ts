import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { UserError } from "../../base/errors.ts";
import type { HostTensor, NamedTensors } from "../../nn/host_tensor.ts";
import {
  decodeSafetensors,
  encodeSafetensors,
  readSafetensors,
  safetensorsParts,
  writeSafetensors,
} from "../../nn/safetensors.ts";
import { assertAllClose } from "../assert_close.ts";
import { fixtureBytes, fixtureJson, hasFixture } from "../fixtures.ts";
import { permitted } from "../permissions.ts";

/** A file made by hand from any header and data. */
function file(header: string | Uint8Array, data: Uint8Array = new Uint8Array(), length?: bigint) {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

/** The header and the data of a file, split without the code under test. */
function split(bytes: Uint8Array): { header: Record<string, unknown>; data: Uint8Array } {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  return { header, data: bytes.slice(8 + length) };
}

function numbers(tensor: HostTensor | undefined): number[] {
  assert(tensor !== undefined);
  return Array.from(tensor.data as ArrayLike<number | bigint>, Number);
}

Deno.test({
  name: "decodeSafetensors() reads every type when PyTorch wrote the file",
  ignore: !hasFixture("dtypes.safetensors"),
  async fn() {
    const bytes = await fixtureBytes("dtypes.safetensors");
    const expected = await fixtureJson("dtypes.json");
    const { tensors, metadata } = decodeSafetensors(bytes, "dtypes.safetensors");
    const { header } = split(bytes);
    for (const [name, value] of Object.entries(header)) {
      if (name === "__metadata__") {
        assertEquals(Object.fromEntries(metadata), value);
        continue;
      }
      const { dtype, shape } = value as { dtype: string; shape: number[] };
      assertEquals(tensors.get(name)?.dtype as string, dtype, name);
      assertEquals([...tensors.get(name)!.shape], shape, name);
      if (name in expected) {
        const flat = [expected[name]].flat(9);
        assertAllClose(numbers(tensors.get(name)), flat, { atol: 0, rtol: 5e-8, message: name });
      }
    }
    assertEquals(tensors.size, Object.keys(header).length - 1);
    assert(tensors.get("i64")?.data instanceof BigInt64Array);
    assertEquals(tensors.get("bool")?.data.length, tensors.get("bool")?.shape[0]);
    assertEquals(tensors.get("scalar")?.shape, []);
    assertEquals(tensors.get("empty")?.data.length, 0);
  },
});

for (
  const name of [
    "unet_plain/diffusion_pytorch_model.safetensors",
    "unet_class/diffusion_pytorch_model.safetensors",
    "bert/model.safetensors",
    "gpt2/model.safetensors",
  ]
) {
  Deno.test({
    name: `encodeSafetensors() reproduces the bytes of ${name}`,
    ignore: !hasFixture(name.split("/")[0]!),
    async fn() {
      const bytes = await fixtureBytes(name);
      const { tensors, metadata } = decodeSafetensors(bytes, name);
      const reversed = new Map([...tensors].reverse());
      assertEquals(encodeSafetensors(reversed, { metadata: Object.fromEntries(metadata) }), bytes);
    },
  });
}

Deno.test({
  name: "encodeSafetensors() lays tensors out as PyTorch's writer when types are mixed",
  ignore: !hasFixture("dtypes.safetensors"),
  async fn() {
    const bytes = await fixtureBytes("dtypes.safetensors");
    const { tensors, metadata } = decodeSafetensors(bytes, "dtypes.safetensors");
    const written = encodeSafetensors(tensors, { metadata: Object.fromEntries(metadata) });
    // The original's metadata has no fixed order, so parsed headers are compared.
    const [ours, theirs] = [split(written), split(bytes)];
    assertEquals(ours.header, theirs.header);
    assertEquals(ours.data, theirs.data);
  },
});

Deno.test("decodeSafetensors() reads unaligned tensors when the file is at an odd offset", () => {
  const data = new Uint8Array(13);
  data[0] = 7;
  new DataView(data.buffer).setFloat32(1, 0.1, true);
  new DataView(data.buffer).setBigInt64(5, -5n, true);
  const header = `{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
    "b":{"dtype":"F32","shape":[],"data_offsets":[1,5]},
    "c":{"dtype":"I64","shape":[1,1],"data_offsets":[5,13]}}   `;
  const inner = file(header, data);
  const outer = new Uint8Array(inner.length + 3);
  outer.set(inner, 3);
  const { tensors } = decodeSafetensors(outer.subarray(3), "odd");
  assertEquals(numbers(tensors.get("a")), [7]);
  assertEquals(numbers(tensors.get("b")), [Math.fround(0.1)]);
  assertEquals(tensors.get("c"), { dtype: "I64", shape: [1, 1], data: BigInt64Array.of(-5n) });
});

Deno.test("decodeSafetensors() treats __proto__ as a name when a file has it", () => {
  const header = `{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
    "__metadata__":{"__proto__":"x","constructor":"y"}}`;
  const { tensors, metadata } = decodeSafetensors(file(header, Uint8Array.of(3)), "proto");
  assertEquals(numbers(tensors.get("__proto__")), [3]);
  assertEquals([...metadata], [["__proto__", "x"], ["constructor", "y"]]);
  assertEquals(({} as Record<string, unknown>).dtype, undefined);
});

Deno.test("decodeSafetensors() leaves out tensors of types that it does not read, and names them", () => {
  const header = `{"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]},
    "b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]},
    "c":{"dtype":"toString","shape":[],"data_offsets":[3,3]}}`;
  const { tensors, unread } = decodeSafetensors(file(header, Uint8Array.of(1, 2, 3)), "some");
  assertEquals([...tensors.keys()], ["b"]);
  assertEquals(numbers(tensors.get("b")), [3]);
  assertEquals([...unread], [["a", "F8_E4M3"], ["c", "toString"]]);
});

const u8 = (begin: number, end: number, shape = `[${end - begin}]`) =>
  `{"dtype":"U8","shape":${shape},"data_offsets":[${begin},${end}]}`;

const BAD: [string, Uint8Array, RegExp][] = [
  ["is empty", new Uint8Array(), /0 bytes/],
  ["is HTML", new TextEncoder().encode("<!DOCTYPE html><html></html>"), /truncated or of another/],
  ["announces an endless header", file("{}", undefined, 0xffffffffffffffffn), /truncated/],
  ["announces too long a header", file("{}", undefined, 3n), /truncated/],
  ["has no JSON header", file("{nope}"), /not JSON/],
  ["has a header that is not UTF-8", file(Uint8Array.of(0x7b, 0x22, 0xff, 0x22)), /not JSON/],
  ["has a byte order mark", file('\ufeff{"a":{}}'), /not JSON/],
  ["has a list as header", file("[]"), /not a JSON object/],
  ["has a null entry", file('{"a":null}'), /"a" is not an object/],
  ["has numbers as metadata", file('{"__metadata__":{"step":1}}'), /"step" is not a string/],
  ["has a name twice", file(`{"a":${u8(0, 1)},"\\u0061":${u8(1, 2)}}`, new Uint8Array(2)), /twice/],
  [
    "has a key twice within a tensor",
    file('{"a" : {"shape":[1],"dtype":"U8","data_offsets":[0,1],"shape"  \n \n  \n  :[1]}}'),
    /"shape" twice/,
  ],
  [
    "has a number for a type",
    file('{"a":{"dtype":4,"shape":[],"data_offsets":[0,0]}}'),
    /type of tensor "a" is not a string/,
  ],
  [
    "has an unknown type that ends before it starts",
    file(`{"a":${u8(0, 1)},"b":{"dtype":"F4","shape":[],"data_offsets":[1,0]}}`, new Uint8Array(1)),
    /"b" ends at byte 0, before it starts at 1/,
  ],
  [
    "has an unknown type that is truncated",
    file('{"a":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}}', new Uint8Array(1)),
    /"a" ends at byte 2/,
  ],
  [
    "has a negative size",
    file(`{"a":${u8(0, 1, "[-1]")}}`, new Uint8Array(1)),
    /shape of tensor "a"/,
  ],
  [
    "has a broken size",
    file(`{"a":${u8(0, 1, "[1.5]")}}`, new Uint8Array(1)),
    /shape of tensor "a"/,
  ],
  [
    "has a shape that overflows",
    file(`{"a":${u8(0, 0, "[9007199254740991,9,0]")}}`),
    /do not make/,
  ],
  [
    "has offsets in the wrong order",
    file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}', new Uint8Array(1)),
    /tensor "a" starts at byte 1/,
  ],
  ["has one offset", file('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0]}}'), /data_offsets/],
  [
    "has fewer bytes than the shape needs",
    file('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', new Uint8Array(4)),
    /takes 4 bytes, which do not make F32 \[2\]/,
  ],
  [
    "has a hole",
    file(`{"a":${u8(0, 1)},"b":${u8(2, 3)}}`, new Uint8Array(3)),
    /"b" starts at byte 2/,
  ],
  ["has an overlap", file(`{"a":${u8(0, 2)},"b":${u8(1, 3)}}`, new Uint8Array(3)), /"b" starts at/],
  ["is truncated", file(`{"layer.weight":${u8(0, 9)}}`, new Uint8Array(8)), /"layer\.weight" ends/],
  ["has bytes left over", file(`{"a":${u8(0, 1)}}`, new Uint8Array(3)), /2 bytes follow/],
  [
    "has a boolean that is 2",
    file('{"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}', Uint8Array.of(2)),
    /BOOL/,
  ],
  ["has half a character as name", file('{"\\ud800":{"dtype":"U8"}}'), /not Unicode/],
];

for (const [what, bytes, message] of BAD) {
  Deno.test(`decodeSafetensors() names the file and the tensor when the file ${what}`, () => {
    const error = assertThrows(() => decodeSafetensors(bytes, "runs/x.safetensors"), UserError);
    assert(error.message.startsWith("runs/x.safetensors is not a valid safetensors file: "));
    assert(message.test(error.message), error.message);
    assert(!error.message.includes("\n"));
  });
}

Deno.test("decodeSafetensors() escapes control characters when a name has some", () => {
  const header = `{"\\u001b[31m\\u009b\\u202e${"x".repeat(5000)}":{}}`;
  const { message } = assertThrows(() => decodeSafetensors(file(header), "f"), UserError);
  // deno-lint-ignore no-control-regex
  assert(!/[\u0000-\u001f\u007f-\u009f\u202e]/.test(message));
  assert(message.length < 300);
});

/** Every type with random contents, including empty tensors and scalars. */
const anyTensor: fc.Arbitrary<HostTensor> = fc.tuple(
  fc.array(fc.nat(3), { maxLength: 3 }),
  fc.constantFrom("F64", "F32", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8"),
  fc.uint8Array({ minLength: 8 * 27, maxLength: 8 * 27 }),
).map(([shape, dtype, bytes]) => {
  const length = shape.reduce((a, b) => a * b, 1);
  const buffer = bytes.slice().buffer;
  const data = {
    F64: () => new Float64Array(buffer, 0, length),
    F32: () => new Float32Array(buffer, 0, length),
    I64: () => new BigInt64Array(buffer, 0, length),
    I32: () => new Int32Array(buffer, 0, length),
    I16: () => new Int16Array(buffer, 0, length),
    I8: () => new Int8Array(buffer, 0, length),
    U64: () => new BigUint64Array(buffer, 0, length),
    U32: () => new Uint32Array(buffer, 0, length),
    U16: () => new Uint16Array(buffer, 0, length),
    U8: () => new Uint8Array(buffer, 0, length),
  }[dtype as "F64"]();
  return { dtype, shape, data } as HostTensor;
});
const anyFile = fc.record({
  tensors: fc.dictionary(fc.string({ unit: "grapheme" }), anyTensor, { maxKeys: 6 }).map((record) =>
    new Map(Object.entries(record)) as NamedTensors
  ),
  metadata: fc.dictionary(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }), {
    maxKeys: 3,
  }),
});

Deno.test("decodeSafetensors() inverts encodeSafetensors() for all tensors", () => {
  fc.assert(
    fc.property(anyFile, ({ tensors, metadata }) => {
      const bytes = encodeSafetensors(tensors, { metadata });
      const shuffled = new Map([...tensors].reverse());
      assertEquals(encodeSafetensors(shuffled, { metadata }), bytes);
      const read = decodeSafetensors(bytes, "any");
      assertEquals(read.tensors.size, tensors.size);
      for (const [name, tensor] of tensors) assertEquals(read.tensors.get(name), tensor);
      assertEquals(new Map(Object.entries(metadata)), read.metadata);
      // All tensors are aligned, so none is a copy.
      for (const { data } of read.tensors.values()) assert(data.buffer === bytes.buffer);
    }),
    { numRuns: 200, seed: 3 },
  );
});

Deno.test("decodeSafetensors() throws a UserError or nothing when bytes of a file are changed", () => {
  const change = fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom("set", "insert", "delete", "cut"));
  fc.assert(
    fc.property(anyFile, fc.array(change, { minLength: 1, maxLength: 4 }), (content, changes) => {
      let bytes = [...encodeSafetensors(content.tensors, { metadata: content.metadata })];
      for (const [position, value, kind] of changes) {
        // The header is changed more often than the data, since most errors are possible there.
        const at = position % Math.max(1, Math.min(bytes.length, position % 3 ? 200 : 1e9));
        if (kind === "set") bytes[at] = value;
        else if (kind === "insert") bytes.splice(at, 0, value);
        else if (kind === "delete") bytes.splice(at, 1);
        else bytes = bytes.slice(0, at);
      }
      try {
        const { tensors } = decodeSafetensors(Uint8Array.from(bytes), "changed");
        for (const { shape, data } of tensors.values()) {
          assertEquals(data.length, shape.reduce((a, b) => a * b, 1));
        }
      } catch (error) {
        assert(error instanceof UserError, String(error));
      }
    }),
    { numRuns: 500, seed: 4 },
  );
});

const float16 = (data: number[], dtype: "F16" | "BF16"): NamedTensors =>
  new Map([["w", { dtype, shape: [data.length], data: Float32Array.from(data) }]]);
const words = (bytes: Uint8Array): number[] => [...new Uint16Array(split(bytes).data.buffer)];

Deno.test("encodeSafetensors() rounds to the nearest, ties to even, when a tensor is F16", () => {
  const tie = 2 ** -11;
  const values = [1, 1 + tie, 1 + 3 * tie, 1 + tie + 2 ** -20, 2 ** -24, 2 ** -25, 65519, -0, NaN];
  const expected = [0x3c00, 0x3c00, 0x3c02, 0x3c01, 1, 0, 0x7bff, 0x8000, 0x7e00];
  assertEquals(words(encodeSafetensors(float16([...values, Infinity], "F16"))), [
    ...expected,
    0x7c00,
  ]);
});

Deno.test("encodeSafetensors() rounds to the nearest, ties to even, when a tensor is BF16", () => {
  const tie = 2 ** -8;
  const nan = new Float32Array(Uint32Array.of(0x7f800001).buffer)[0]!;
  const values = [1, 1 + tie, 1 + 3 * tie, 1 + tie + 2 ** -20, 3.3895313892515355e38, -0];
  const expected = [0x3f80, 0x3f80, 0x3f82, 0x3f81, 0x7f7f, 0x8000];
  assertEquals(words(encodeSafetensors(float16(values, "BF16"))), expected);
  assertEquals(words(encodeSafetensors(float16([nan], "BF16")))[0]! & 0x7fc0, 0x7fc0);
});

Deno.test("encodeSafetensors() names tensor and element when a value overflows", () => {
  const tensors = float16([1, -65520], "F16");
  const error = assertThrows(() => encodeSafetensors(tensors), UserError);
  assertEquals(
    error.message,
    'tensor "w": element 1, -65520, is too large for F16: keep this file in F32 or BF16',
  );
  assertThrows(() => encodeSafetensors(float16([3.4e38], "BF16")), UserError, "BF16");
  assertEquals(words(encodeSafetensors(tensors, { allowOverflow: true })), [0x3c00, 0xfc00]);
});

Deno.test("safetensorsParts() returns encodeSafetensors()'s bytes, with views for 32-bit tensors", () => {
  const [a, b] = [new Float32Array([1, 2, 3]), new Int32Array([4])];
  const tensors = new Map<string, HostTensor>([
    ["a", { dtype: "F32", shape: [3], data: a }],
    ["b", { dtype: "I32", shape: [1], data: b }],
    ...float16([0.5, -2], "F16"),
  ]);
  const parts = safetensorsParts(tensors, { metadata: { format: "pt" } });
  const whole = encodeSafetensors(tensors, { metadata: { format: "pt" } });
  assertEquals(parts.flatMap((part) => [...part]), [...whole]);
  assert(parts.some(({ buffer }) => buffer === a.buffer));
  assert(parts.some(({ buffer }) => buffer === b.buffer));
});

Deno.test("encodeSafetensors() throws when values do not match the shape or the type", () => {
  const encode = (tensor: unknown, name = "w") => () =>
    encodeSafetensors(new Map([[name, tensor as HostTensor]]));
  const data = new Float32Array(3);
  assertThrows(
    encode({ dtype: "F32", shape: [2], data }),
    RangeError,
    '"w": a Float32Array of 3 elements',
  );
  assertThrows(encode({ dtype: "I32", shape: [3], data }), RangeError, "I32");
  assertThrows(encode({ dtype: "F32", shape: [3], data }, "__metadata__"), RangeError, "name");
});

Deno.test({
  name: "readSafetensors() reads what writeSafetensors() wrote, and names a missing file",
  ignore: !permitted({ name: "read" }, { name: "write" }),
  async fn() {
    const directory = await Deno.makeTempDir();
    try {
      const path = `${directory}/w.safetensors`;
      const tensors = float16([0.5, -2], "F16");
      await writeSafetensors(path, tensors, { metadata: { format: "pt", language: "日本語" } });
      const read = await readSafetensors(path);
      assertEquals(new Map(read.tensors), new Map(tensors));
      assertEquals(read.metadata.get("language"), "日本語");
      await assertRejects(() => readSafetensors(`${path}x`), UserError, "no such file");
      await assertRejects(() => readSafetensors(directory), UserError, "folder");
      await assertRejects(
        () => writeSafetensors(`${path}/x`, tensors),
        UserError,
        `cannot write ${path}/x`,
      );
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
