/** Ctrl-C: the step under way is finished and saved before the program leaves. */

/** Whether the user wants the program to stop. */
export interface Interrupt extends Disposable {
  /** The signal that came, if one did. */
  readonly signal: Deno.Signal | undefined;
}

/**
 * Listens for SIGINT and SIGTERM from now until it is disposed of. The first sets the flag; a second
 * ends the program at once, for those who cannot wait for the step.
 */
export function listenForInterrupt(): Interrupt {
  let received: Deno.Signal | undefined;
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  const listeners = signals.map((signal) => {
    const listener = () => {
      if (received !== undefined) Deno.exit(130);
      received = signal;
    };
    Deno.addSignalListener(signal, listener);
    return () => Deno.removeSignalListener(signal, listener);
  });
  return {
    get signal() {
      return received;
    },
    [Symbol.dispose]() {
      listeners.forEach((remove) => remove());
    },
  };
}

/** Lets signals and timers be handled: computing on this thread otherwise leaves them no time. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
