/**
 * Writes ONNX model files with protobufjs. Only the messages and fields that this project writes are
 * described. Their numbers and types are those of onnx.proto (ONNX 1.16, IR version 8).
 */
import protobuf from "protobufjs";

const field = (type: string, id: number) => ({ type, id });
const repeated = (type: string, id: number) => ({ rule: "repeated", type, id });

const ModelProto = protobuf.Root.fromJSON({
  nested: {
    onnx: {
      nested: {
        AttributeProto: {
          fields: {
            name: field("string", 1),
            f: field("float", 2),
            i: field("int64", 3),
            s: field("bytes", 4),
            t: field("TensorProto", 5),
            g: field("GraphProto", 6),
            floats: repeated("float", 7),
            ints: repeated("int64", 8),
            type: field("int32", 20),
          },
        },
        Dimension: { fields: { dimValue: field("int64", 1) } },
        GraphProto: {
          fields: {
            node: repeated("NodeProto", 1),
            name: field("string", 2),
            initializer: repeated("TensorProto", 5),
            input: repeated("ValueInfoProto", 11),
            output: repeated("ValueInfoProto", 12),
          },
        },
        ModelProto: {
          fields: {
            irVersion: field("int64", 1),
            producerName: field("string", 2),
            graph: field("GraphProto", 7),
            opsetImport: repeated("OperatorSetIdProto", 8),
          },
        },
        NodeProto: {
          fields: {
            input: repeated("string", 1),
            output: repeated("string", 2),
            name: field("string", 3),
            opType: field("string", 4),
            attribute: repeated("AttributeProto", 5),
            domain: field("string", 7),
          },
        },
        OperatorSetIdProto: { fields: { domain: field("string", 1), version: field("int64", 2) } },
        StringStringEntryProto: { fields: { key: field("string", 1), value: field("string", 2) } },
        TensorProto: {
          fields: {
            dims: repeated("int64", 1),
            dataType: field("int32", 2),
            name: field("string", 8),
            rawData: field("bytes", 9),
            externalData: repeated("StringStringEntryProto", 13),
            dataLocation: field("int32", 14),
          },
        },
        TensorShapeProto: { fields: { dim: repeated("Dimension", 1) } },
        TypeProto: { fields: { tensorType: field("TypeProtoTensor", 1) } },
        TypeProtoTensor: {
          fields: { elemType: field("int32", 1), shape: field("TensorShapeProto", 2) },
        },
        ValueInfoProto: { fields: { name: field("string", 1), type: field("TypeProto", 2) } },
      },
    },
  },
}).lookupType("onnx.ModelProto");

/** The value of an attribute: an integer, a float, a graph, a string or a list of integers. */
export type Attribute =
  | number
  | { float: number }
  | { graph: GraphParts }
  | string
  | readonly number[];

/** The parts of a graph. */
export interface GraphParts {
  /** The operations, in topological order. */
  readonly nodes: readonly Node[];
  /** The constants. */
  readonly initializers: readonly Initializer[];
  /** The inputs. */
  readonly inputs: readonly ValueInfo[];
  /** The outputs. */
  readonly outputs: readonly ValueInfo[];
}

/** One operation of a graph. */
export interface Node {
  /** The operator, such as "MatMul". */
  readonly op: string;
  /** The operator set; "" is ONNX's own. */
  readonly domain: string;
  /** Names of values; "" for an optional input that is left out. */
  readonly inputs: readonly string[];
  /** Names of values. */
  readonly outputs: readonly string[];
  /** Attributes by name. */
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** A name for error messages and profiles. */
  readonly name: string;
}

/** A named input or output of a graph. */
export interface ValueInfo {
  /** The name. */
  readonly name: string;
  /** The element type, of {@linkcode ELEMENT_TYPE}. */
  readonly elementType: number;
  /** The shape. */
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

const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, graph: 5, ints: 7 } as const;

function attributeProto(name: string, value: Attribute): Record<string, unknown> {
  if (typeof value === "number") return { name, type: ATTRIBUTE_TYPE.int, i: value };
  if (typeof value === "string") {
    return { name, type: ATTRIBUTE_TYPE.string, s: new TextEncoder().encode(value) };
  }
  if ("float" in value) return { name, type: ATTRIBUTE_TYPE.float, f: value.float };
  if ("graph" in value) return { name, type: ATTRIBUTE_TYPE.graph, g: graphProto(value.graph) };
  return { name, type: ATTRIBUTE_TYPE.ints, ints: value };
}

function valueInfoProto({ name, elementType, shape }: ValueInfo): Record<string, unknown> {
  const dim = shape.map((dimValue) => ({ dimValue }));
  return { name, type: { tensorType: { elemType: elementType, shape: { dim } } } };
}

const DATA_LOCATION = { external: 1 } as const;

function contentProto({ name, bytes, external = false }: Initializer): Record<string, unknown> {
  if (!external) return { rawData: bytes };
  return {
    dataLocation: DATA_LOCATION.external,
    externalData: [
      { key: "location", value: name },
      { key: "offset", value: "0" },
      { key: "length", value: `${bytes.length}` },
    ],
  };
}

function graphProto(graph: GraphParts): Record<string, unknown> {
  return {
    name: "graph",
    node: graph.nodes.map((node) => ({
      name: node.name,
      opType: node.op,
      domain: node.domain,
      input: node.inputs,
      output: node.outputs,
      attribute: Object.entries(node.attributes).map(([name, value]) =>
        attributeProto(name, value)
      ),
    })),
    initializer: graph.initializers.map((initializer) => ({
      name: initializer.name,
      dims: initializer.shape,
      dataType: initializer.elementType,
      ...contentProto(initializer),
    })),
    input: graph.inputs.map(valueInfoProto),
    output: graph.outputs.map(valueInfoProto),
  };
}

/** Encodes a graph as the bytes of an ONNX model file. */
export function encodeModel(graph: GraphParts): Uint8Array {
  return ModelProto.encode({
    irVersion: 8,
    producerName: "nanodiffusion",
    opsetImport: OPERATOR_SETS,
    graph: graphProto(graph),
  } as unknown as protobuf.Message).finish();
}
