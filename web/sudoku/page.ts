/** The tab of Sudoku. */
import { type UnmaskingOrder, unmaskingOrders } from "../../diffusion/samplers/unmask.ts";
import type { Client } from "../client.ts";
import {
  arrowKeys,
  button,
  control,
  fill,
  find,
  numberIn,
  onSubmit,
  say,
  Steps,
} from "../elements.ts";
import type { SudokuStep } from "./compute.ts";

/** The puzzle that is shown at first, a generated one. */
const FIRST = ".1.7..23..5.4...8...3...6479.4.5..23......45.......7......4....72..3691.6.81.5...";

function makeCells(): HTMLInputElement[] {
  return Array.from({ length: 81 }, (_, cell) => {
    const input = document.createElement("input");
    input.inputMode = "numeric";
    input.maxLength = 1;
    input.autocomplete = "off";
    input.ariaLabel = `row ${Math.floor(cell / 9) + 1}, column ${cell % 9 + 1}`;
    input.onfocus = () => input.select();
    return input;
  });
}

export function openSudoku(panel: HTMLElement, client: Client): void {
  fill(panel, "order", unmaskingOrders.map((order) => [order, order.replace("_", " ")]));
  control(panel, "order").value = "confidence";
  const cells = makeCells();
  const board = find(panel, ".board", HTMLElement);
  board.replaceChildren(...cells);
  arrowKeys(cells, 9);
  let quiz = new Uint8Array(81);
  let wrong: readonly number[] = [];

  const showCell = (cell: number, digit: number, confidence: number | undefined) => {
    const input = cells[cell]!;
    input.value = digit === 0 ? "" : String(digit);
    input.classList.toggle("filled", quiz[cell] === 0 && digit !== 0);
    input.classList.toggle("wrong", digit !== 0 && wrong.includes(cell));
    input.style.setProperty("--share", `${Math.round(100 * (confidence ?? 0))}%`);
    input.title = confidence === undefined ? "" : `${(100 * confidence).toFixed(1)} %`;
  };
  const steps = new Steps<SudokuStep>(panel, ({ digits, confidence }) => {
    digits.forEach((digit, cell) => {
      const isFilled = quiz[cell] === 0 && digit !== 0;
      showCell(cell, digit, isFilled ? confidence[cell] : undefined);
    });
  });
  const load = (digits: ArrayLike<number>) => {
    quiz = Uint8Array.from(digits);
    wrong = [];
    steps.clear();
    quiz.forEach((digit, cell) => showCell(cell, digit, undefined));
    say(panel, "");
  };
  load([...FIRST].map((character) => Number(character) || 0));

  for (const [cell, input] of cells.entries()) {
    input.oninput = () => {
      const digit = /^[1-9]$/.test(input.value) ? Number(input.value) : 0;
      load(quiz.with(cell, digit)); // what was filled in belongs to the puzzle before
    };
    input.onpaste = (event) => {
      const pasted = event.clipboardData?.getData("text").replace(/\s/g, "") ?? "";
      if (pasted.length < 2) return;
      event.preventDefault();
      if (/^[0-9.]{81}$/.test(pasted)) load([...pasted].map((digit) => Number(digit) || 0));
      else say(panel, "A board is pasted as 81 digits, with 0 or a dot for a blank.", true);
    };
  }
  button(panel, "clear").onclick = () => load(new Uint8Array(81));
  let puzzles = 0;
  button(panel, "new").onclick = async () => {
    try {
      load(await client.call("newSudoku", puzzles++).result);
    } catch (error) {
      say(panel, (error as Error).message, true);
    }
  };

  onSubmit(panel, () => {
    load(quiz);
    const order = control(panel, "order").value as UnmaskingOrder;
    const request = { quiz, order, steps: numberIn(panel, "steps") };
    const call = client.call("fillSudoku", request, (step) => steps.add(step, step.steps));
    return {
      stop: call.stop,
      result: call.result.then((result) => {
        wrong = result.wrong;
        steps.draw();
        say(
          panel,
          wrong.length === 0
            ? "All cells are right."
            : `${wrong.length} cells differ from the solution; they are underlined.`,
        );
      }),
    };
  });
}
