/**
 * Writes ONNX model files with protobufjs. Only the messages and fields that this project writes are
 * described. Their numbers and types are those of onnx.proto (ONNX 1.16, IR version 8).
 */
import protobuf from "protobufjs";

const ModelProto = protobuf.parse(`
  syntax = "proto2";
  message AttributeProto {
    optional string name = 1; optional float f = 2; optional int64 i = 3; optional bytes s = 4;
    repeated int64 ints = 8; optional int32 type = 20;
  }
  message Dimension { optional int64 dim_value = 1; }
  message GraphProto {
    repeated NodeProto node = 1; optional string name = 2; repeated TensorProto initializer = 5;
    repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12;
  }
  message ModelProto {
    optional int64 ir_version = 1; optional string producer_name = 2; optional GraphProto graph = 7;
    repeated OperatorSetIdProto opset_import = 8;
  }
  message NodeProto {
    repeated string input = 1; repeated string output = 2; optional string name = 3;
    optional string op_type = 4; repeated AttributeProto attribute = 5; optional string domain = 7;
  }
  message OperatorSetIdProto { optional string domain = 1; optional int64 version = 2; }
  message StringStringEntryProto { optional string key = 1; optional string value = 2; }
  message TensorProto {
    repeated int64 dims = 1; optional int32 data_type = 2; optional string name = 8;
    optional bytes raw_data = 9; repeated StringStringEntryProto external_data = 13;
    optional int32 data_location = 14;
  }
  message TensorShapeProto { repeated Dimension dim = 1; }
  message TensorTypeProto { optional int32 elem_type = 1; optional TensorShapeProto shape = 2; }
  message TypeProto { optional TensorTypeProto tensor_type = 1; }
  message ValueInfoProto { optional string name = 1; optional TypeProto type = 2; }
`).root.lookupType("ModelProto");

/** The value of an attribute: an integer, a float, a string or a list of integers. */
export type Attribute = number | { float: number } | string | readonly number[];

/** One operation of a graph. */
export interface Node {
  /** The operator, such as "MatMul". */
  readonly op: string;
  /** The operator set; "" is ONNX's own. */
  readonly domain: string;
  /** Names of values; "" for an optional input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** A name for error messages and profiles. */
  readonly name: string;
}

/** A named input or output of a graph. */
export interface ValueInfo {
  readonly name: string;
  /** One of {@linkcode ELEMENT_TYPE}. */
  readonly elementType: number;
  readonly shape: readonly number[];
}

/** A constant of a graph. */
export interface Initializer extends ValueInfo {
  /** The elements' bytes, little-endian, in row-major order. */
  readonly bytes: Uint8Array;
  /** Whether they are outside of the model file, in a file with the constant's name. */
  readonly external?: boolean;
}

/** ONNX's numbers for element types. */
export const ELEMENT_TYPE = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
} as const;

/** The operator sets that graphs use and their versions: ONNX's own, and two of ONNX Runtime. */
const OPERATOR_SETS = [
  { domain: "", version: 17 },
  { domain: "com.microsoft", version: 1 },
  { domain: "com.microsoft.nchwc", version: 1 },
];

const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, ints: 7 } as const;

function attributeProto(name: string, value: Attribute): Record<string, unknown> {
  if (typeof value === "number") return { name, type: ATTRIBUTE_TYPE.int, i: value };
  if (typeof value === "string") {
    return { name, type: ATTRIBUTE_TYPE.string, s: new TextEncoder().encode(value) };
  }
  if ("float" in value) return { name, type: ATTRIBUTE_TYPE.float, f: value.float };
  return { name, type: ATTRIBUTE_TYPE.ints, ints: value };
}

function valueInfoProto({ name, elementType, shape }: ValueInfo): Record<string, unknown> {
  const dim = shape.map((dimValue) => ({ dimValue }));
  return { name, type: { tensorType: { elemType: elementType, shape: { dim } } } };
}

function contentProto({ name, bytes, external = false }: Initializer): Record<string, unknown> {
  if (!external) return { rawData: bytes };
  return {
    dataLocation: 1, // external
    externalData: [
      { key: "location", value: name },
      { key: "offset", value: "0" },
      { key: "length", value: `${bytes.length}` },
    ],
  };
}

/** Encodes a graph, with its nodes in topological order, as the bytes of an ONNX model file. */
export function encodeModel({ nodes, initializers, inputs, outputs }: {
  nodes: readonly Node[];
  initializers: readonly Initializer[];
  inputs: readonly ValueInfo[];
  outputs: readonly ValueInfo[];
}): Uint8Array {
  const graph = {
    name: "graph",
    node: nodes.map(({ name, op, domain, inputs, outputs, attributes }) => ({
      name,
      opType: op,
      domain,
      input: inputs,
      output: outputs,
      attribute: Object.entries(attributes).map(([name, value]) => attributeProto(name, value)),
    })),
    initializer: initializers.map((initializer) => ({
      name: initializer.name,
      dims: initializer.shape,
      dataType: initializer.elementType,
      ...contentProto(initializer),
    })),
    input: inputs.map(valueInfoProto),
    output: outputs.map(valueInfoProto),
  };
  return ModelProto.encode({
    irVersion: 8,
    producerName: "nanodiffusion",
    opsetImport: OPERATOR_SETS,
    graph,
  } as unknown as protobuf.Message).finish();
}
