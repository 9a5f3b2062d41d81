/** Ctrl-C: the current step is finished and saved before the program ends. */
import { EXIT } from "../base/errors.ts";

interface Interrupt extends Disposable {
  /** The first signal that came. */
  readonly signal: Deno.Signal | undefined;
}

/** The number of listeners that finish their work before the program ends. */
let finishing = 0;

/** Calls a function at every signal that asks the program to end, until it is disposed of. */
function onSignal(listener: (signal: Deno.Signal) => void): Disposable {
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  const removers = signals.map((signal) => {
    const listen = () => listener(signal);
    Deno.addSignalListener(signal, listen);
    return () => Deno.removeSignalListener(signal, listen);
  });
  return { [Symbol.dispose]: () => removers.forEach((remove) => remove()) };
}

/**
 * Listens for SIGINT and SIGTERM until it is disposed of. The first signal is only reported, so that the
 * caller can finish its step. A second one ends the program at once.
 */
export function listenForInterrupt(): Interrupt {
  let received: Deno.Signal | undefined;
  const listening = onSignal((signal) => {
    if (received !== undefined) Deno.exit(EXIT.interrupted);
    received = signal;
  });
  finishing++;
  return {
    get signal() {
      return received;
    },
    [Symbol.dispose]() {
      finishing--;
      listening[Symbol.dispose]();
    },
  };
}

/** What a program that is interrupted outside of a training says, and what it tidies up. */
let leave = () => "saved work is kept; the same command goes on from there";

/** Sets what happens at Ctrl-C outside of a training. @param tidy Returns the message. */
export function whenInterrupted(tidy: () => string): void {
  leave = tidy;
}

/**
 * Ends the program with a message at SIGINT and SIGTERM, except while {@linkcode listenForInterrupt}
 * listens for them.
 */
export function leaveOnInterrupt(): Disposable {
  return onSignal(() => {
    if (finishing > 0) return;
    const lineEnd = Deno.stderr.isTerminal() ? "\n" : ""; // there may be a progress bar
    console.error(`${lineEnd}interrupted: ${leave()}`);
    Deno.exit(EXIT.interrupted);
  });
}
