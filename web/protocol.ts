/** What the page and its worker send each other. */
import type { Device } from "../engine/device_of.ts";

/** What the page shows at its foot. */
export interface Status {
  readonly text: string;
  /** The share that is done, from 0 to 1. */
  readonly progress?: number | undefined;
  readonly isError?: boolean | undefined;
  /** Whether it tells what computes, which stays in sight. */
  readonly isDevice?: boolean | undefined;
}

/** A message to the worker. */
export type ToWorker =
  | { readonly id: number; readonly name: string; readonly request: unknown }
  | { readonly stop: number };

/** A message from the worker. */
export type FromWorker =
  | { readonly status: Status }
  | { readonly id: number; readonly event: unknown }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string };

/** What a function of the worker receives besides its request. */
export interface Context {
  readonly device: Device;
  readonly report: (status: Status) => void;
}

/** Sends an event of a call to the page; throws if the page has stopped the call. */
export type Emit<Event> = (event: Event) => void;
