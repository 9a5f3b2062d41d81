/** Calls functions of the worker. */
import type { FromWorker, Status, ToWorker } from "./protocol.ts";
import type { Calls } from "./worker.ts";

/** What a call of the worker takes, reports and returns. */
export type RequestOf<Name extends keyof Calls> = Parameters<Calls[Name]>[1];
export type EventOf<Name extends keyof Calls> = Parameters<Parameters<Calls[Name]>[2]>[0];
export type ResultOf<Name extends keyof Calls> = Awaited<ReturnType<Calls[Name]>>;

interface OpenCall {
  readonly onEvent: (event: unknown) => void;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A call that was stopped. */
export class Stopped extends Error {}

/** A call in progress. */
export interface Call<Result> {
  readonly result: Promise<Result>;
  stop(): void;
}

export class Client {
  readonly #worker: Worker;
  readonly #open = new Map<number, OpenCall>();
  #next = 0;
  #failed: Error | undefined;

  constructor(onStatus: (status: Status) => void) {
    this.#worker = new Worker(`worker.js${location.search}`, { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if ("status" in data) return onStatus(data.status);
      const call = this.#open.get(data.id);
      if (call === undefined) return; // it was stopped
      if ("event" in data) return call.onEvent(data.event);
      this.#open.delete(data.id);
      if ("error" in data) call.reject(new Error(data.error));
      else call.resolve(data.result);
    };
    this.#worker.onerror = (event) => {
      this.#failed = new Error(`this browser cannot run the computations: ${event.message ?? ""}`);
      for (const { reject } of this.#open.values()) reject(this.#failed);
      this.#open.clear();
    };
  }

  call<Name extends keyof Calls>(
    name: Name,
    request: RequestOf<Name>,
    onEvent: (event: EventOf<Name>) => void = () => {},
  ): Call<ResultOf<Name>> {
    const id = this.#next++;
    const result = new Promise<ResultOf<Name>>((resolve, reject) => {
      if (this.#failed !== undefined) return reject(this.#failed);
      this.#open.set(id, {
        onEvent: (event) => onEvent(event as EventOf<Name>),
        resolve: (value) => resolve(value as ResultOf<Name>),
        reject,
      });
    });
    this.#send({ id, name, request });
    return {
      result,
      stop: () => {
        this.#open.get(id)?.reject(new Stopped("stopped"));
        this.#open.delete(id);
        this.#send({ stop: id });
      },
    };
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }
}
