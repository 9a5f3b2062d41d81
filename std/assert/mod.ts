/**
 * Assertions, with the names, signatures and meaning of `jsr:@std/assert`, over node:assert and
 * node:util. Stands in for the original where its registry cannot be reached.
 *
 * @module
 */
export * from "./almost_equals.ts";
export * from "./assert.ts";
export * from "./assertion_error.ts";
export * from "./equal.ts";
export * from "./equals.ts";
export * from "./includes.ts";
export * from "./instance_of.ts";
export * from "./order.ts";
export * from "./throws.ts";
