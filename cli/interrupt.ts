/** Ctrl-C: the step under way is finished and saved before the program leaves. */
import { EXIT } from "../base/errors.ts";

/** Whether the user wants the program to stop. */
export interface Interrupt extends Disposable {
  /** The signal that came, if one did. */
  readonly signal: Deno.Signal | undefined;
}

/** How many listeners are there that finish something before the program leaves. */
let finishing = 0;

/** Calls a function at every signal that asks the program to end. @returns What stops that. */
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
 * Listens for SIGINT and SIGTERM from now until it is disposed of. The first sets the flag; a second
 * ends the program at once, for those who cannot wait for the step.
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

/**
 * Lets SIGINT and SIGTERM end the program at once, with a line that says so, wherever nothing that
 * {@linkcode listenForInterrupt} was called for has to be finished first.
 */
export function leaveOnInterrupt(): Disposable {
  return onSignal(() => {
    if (finishing > 0) return;
    const clear = Deno.stderr.isTerminal() ? "\n" : ""; // there may be a progress bar
    console.error(
      `${clear}interrupted: what was saved is kept; the same command goes on from there`,
    );
    Deno.exit(EXIT.interrupted);
  });
}
