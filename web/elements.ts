/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** What the tabs share: finding elements, forms that start a call, a scrubber over steps, downloads. */
import { type Call, Stopped } from "./client.ts";

/** The element of a selector, which the page must have. */
export function find<E extends Element>(
  root: ParentNode,
  selector: string,
  kind: abstract new () => E,
): E {
  const found = root.querySelector(selector);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${selector}`);
}

/** The input or select of a name. */
export function control(root: ParentNode, name: string): HTMLInputElement | HTMLSelectElement {
  const found = root.querySelector(`[name="${name}"]`);
  if (found instanceof HTMLInputElement || found instanceof HTMLSelectElement) return found;
  throw new Error(`the page has no control ${name}`);
}

export function button(root: ParentNode, name: string): HTMLButtonElement {
  return find(root, `button[name="${name}"]`, HTMLButtonElement);
}

/** The number in a control. */
export function numberIn(root: ParentNode, name: string): number {
  return Number(control(root, name).value);
}

/** Fills a select with options. */
export function fill(root: ParentNode, name: string, options: Iterable<[string, string]>): void {
  const select = find(root, `select[name="${name}"]`, HTMLSelectElement);
  select.replaceChildren(...[...options].map(([value, text]) => new Option(text, value)));
}

/** Sets the message of a tab. */
export function say(panel: Element, text: string, isError = false): void {
  const message = find(panel, ".message", HTMLElement);
  message.textContent = text;
  message.classList.toggle("error", isError);
}

/** Runs a call when a form is submitted, one at a time; the stop button ends it. */
export function onSubmit(panel: Element, start: () => Call<unknown> | undefined): void {
  const form = find(panel, "form", HTMLFormElement);
  const [submit, stop] = [find(form, '[type="submit"]', HTMLButtonElement), button(form, "stop")];
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (submit.disabled) return;
    say(panel, "");
    const call = start();
    if (call === undefined) return;
    submit.disabled = true;
    stop.disabled = false;
    stop.onclick = () => call.stop();
    try {
      await call.result;
    } catch (error) {
      say(panel, (error as Error).message, !(error instanceof Stopped));
    }
    submit.disabled = false;
    stop.disabled = true;
  };
}

/** The steps of a call, and the scrubber that shows one of them. */
export class Steps<Step> {
  readonly #range: HTMLInputElement;
  readonly #output: HTMLOutputElement;
  readonly #show: (step: Step) => void;
  #steps: Step[] = [];
  #last = 0;

  constructor(panel: Element, show: (step: Step) => void) {
    const scrubber = find(panel, ".scrubber", HTMLElement);
    this.#range = find(scrubber, "input", HTMLInputElement);
    this.#output = find(scrubber, "output", HTMLOutputElement);
    this.#show = show;
    this.#range.oninput = () => this.draw();
  }

  get all(): readonly Step[] {
    return this.#steps;
  }

  /** The step that is shown. */
  get shown(): Step | undefined {
    return this.#steps[this.#range.valueAsNumber];
  }

  /** Starts anew. */
  clear(): void {
    this.#steps = [];
    this.#range.max = "0";
    this.#range.value = "0";
    this.#range.disabled = true;
    this.#output.textContent = "none yet";
  }

  /** Adds a step, and shows it unless an earlier one is looked at. @param last The number of the last. */
  add(step: Step, last: number): void {
    this.#last = last;
    const follows = this.#range.valueAsNumber >= this.#steps.length - 1;
    this.#steps.push(step);
    this.#range.disabled = false;
    this.#range.max = String(this.#steps.length - 1);
    if (follows) this.#range.value = this.#range.max;
    this.draw();
  }

  /** Shows the chosen step. */
  draw(): void {
    this.#output.textContent = `${this.#range.value} of ${this.#last}`;
    const { shown } = this;
    if (shown !== undefined) this.#show(shown);
  }
}

/** Saves bytes as a file of the visitor's. */
export function save(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Moves the focus in a grid of elements with the arrow keys. Only one of them is a stop of the tab key. */
export function arrowKeys(cells: readonly HTMLElement[], columns: number): void {
  const moves: Record<string, number> = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -columns,
    ArrowDown: columns,
  };
  for (const [i, cell] of cells.entries()) {
    cell.tabIndex = i === 0 ? 0 : -1;
    cell.addEventListener("focus", () => cells.forEach((c) => c.tabIndex = c === cell ? 0 : -1));
    cell.addEventListener("keydown", (event) => {
      const move = moves[event.key];
      const next = move === undefined ? undefined : cells[i + move];
      if (next === undefined) return;
      event.preventDefault();
      next.focus();
    });
  }
}
