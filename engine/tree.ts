/** Nested records and arrays of tensors, on the host and on a device. */
import { UserError } from "@nanodiffusion/base/errors";
import * as tf from "./tf.ts";

/** Element types of tensors that cross between host and device. */
export type DType = "float32" | "int32" | "bool";

/** The class of the typed array that holds each element type. */
export const ARRAY_OF = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

/** A tensor on the host: numbers in row-major order. */
export interface HostArray {
  /** The element type. */
  readonly dtype: DType;
  /** The shape; [] for a scalar. */
  readonly shape: readonly number[];
  /** The elements, in an array of the class that {@linkcode ARRAY_OF} names. */
  readonly data: Float32Array | Int32Array | Uint8Array;
}

/** A tree whose leaves are of type `Leaf`. */
export type Tree<Leaf> = Leaf | readonly Tree<Leaf>[] | { readonly [key: string]: Tree<Leaf> };

/** A tree of tensors on a device. */
export type TensorTree = Tree<tf.Tensor>;

/** A tree of tensors on the host. */
export type ArrayTree = Tree<HostArray>;

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}

/** Whether two shapes are equal. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dimension, i) => dimension === b[i]);
}

/**
 * A float32 tensor on the host.
 *
 * @param data The elements.
 * @param shape Its shape; a vector as long as the data by default.
 */
export function float32(
  data: Float32Array | readonly number[],
  shape: readonly number[] = [data.length],
): HostArray {
  return {
    dtype: "float32",
    shape,
    data: data instanceof Float32Array ? data : Float32Array.from(data),
  };
}

/** An int32 tensor on the host: see {@linkcode float32}. */
export function int32(
  data: Int32Array | readonly number[],
  shape: readonly number[] = [data.length],
): HostArray {
  return { dtype: "int32", shape, data: data instanceof Int32Array ? data : Int32Array.from(data) };
}

/** A float32 scalar on the host. */
export function scalar(value: number): HostArray {
  return float32([value], []);
}

/** Whether a node of a tree is a tensor on the host. */
export function isHostArray(node: ArrayTree): node is HostArray {
  return ArrayBuffer.isView((node as HostArray).data) && Array.isArray((node as HostArray).shape);
}

/** Whether a node of a tree is a tensor on a device. */
export function isTensor(node: TensorTree): node is tf.Tensor {
  return tf.isTensor(node);
}

/**
 * Replaces the leaves of a tree, in the order of its keys.
 *
 * @param tree The tree.
 * @param isLeaf Tells leaves from records and arrays.
 * @param fn Gives the new leaf; `path` is where it is, such as "params.weight".
 */
export function mapTree<From, To>(
  tree: Tree<From>,
  isLeaf: (node: Tree<From>) => node is From & Tree<From>,
  fn: (leaf: From, path: string) => To,
  path = "",
): Tree<To> {
  const at = (key: string | number) => path === "" ? String(key) : `${path}.${key}`;
  if (tree === null || typeof tree !== "object") {
    throw new UserError(
      `Expected a tensor at "${path}", found ${tree === null ? null : typeof tree}.`,
    );
  }
  if (isLeaf(tree)) return fn(tree, path);
  // Anything else of a class, such as a Map or a Promise, would pass for a record without keys.
  const { name } = (Object.getPrototypeOf(tree) as object | null)?.constructor ?? Object;
  if (name !== "Object" && name !== "Array") {
    throw new UserError(`Expected a tensor at "${path}", found a ${name}.`);
  }
  if (Array.isArray(tree)) return tree.map((node, i) => mapTree(node, isLeaf, fn, at(i)));
  return Object.fromEntries(
    Object.entries(tree as { readonly [key: string]: Tree<From> })
      .map(([key, node]) => [key, mapTree(node, isLeaf, fn, at(key))]),
  );
}

/** The leaves of a tree with their paths, in the order of its keys. */
export function leavesOf<Leaf>(
  tree: Tree<Leaf>,
  isLeaf: (node: Tree<Leaf>) => node is Leaf & Tree<Leaf>,
): { path: string; leaf: Leaf }[] {
  const leaves: { path: string; leaf: Leaf }[] = [];
  mapTree(tree, isLeaf, (leaf, path) => {
    leaves.push({ path, leaf });
  });
  return leaves;
}

/** Checks that a host tensor's shape and data belong together. */
export function checkHostArray({ shape, data, dtype }: HostArray, path: string): void {
  if (sizeOf(shape) !== data.length) {
    throw new UserError(
      `The input "${path}" has ${data.length} numbers, but its shape [${shape}] holds ${
        sizeOf(shape)
      }.`,
    );
  }
  if (!Object.hasOwn(ARRAY_OF, dtype)) {
    throw new UserError(
      `The input "${path}" is ${dtype}, which no device holds: use ${
        Object.keys(ARRAY_OF).join(", ")
      }.`,
    );
  }
  if (!(data instanceof ARRAY_OF[dtype])) {
    throw new UserError(
      `The input "${path}" is ${dtype}, but its data is a ${data.constructor.name}.`,
    );
  }
}

/**
 * The element type of a tensor that is to go to the host.
 *
 * @throws {UserError} If it is one that {@linkcode HostArray} has no word for.
 */
export function resultType({ dtype }: tf.Tensor, path: string): DType {
  if (Object.hasOwn(ARRAY_OF, dtype)) return dtype as DType;
  throw new UserError(`The result "${path}" is ${dtype}, which the device cannot hold.`);
}
