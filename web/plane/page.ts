/** The tab of points in the plane. */
import { samplerNames } from "../../diffusion/samplers/registry.ts";
import type { Client } from "../client.ts";
import { button, control, fill, find, numberIn, onSubmit, say, Steps } from "../elements.ts";
import { type PlaneData, type PlaneRequest, type PlaneStep, pointOf, RANGE } from "./data.ts";

/** Samples whose paths are shown. */
const PATHS = 60;
/** Points that show the data. */
const SHOWN = 400;

/** Draws on a canvas in the coordinates of the plane. */
class Plot {
  readonly #context: CanvasRenderingContext2D;
  readonly #size: number;

  constructor(canvas: HTMLCanvasElement) {
    this.#context = canvas.getContext("2d")!;
    this.#size = canvas.width;
  }

  clear(): void {
    this.#context.clearRect(0, 0, this.#size, this.#size);
  }

  #at(value: number): number {
    return (value / (1.25 * RANGE) + 1) / 2 * this.#size;
  }

  points(points: ArrayLike<number>, radius: number, color: string): void {
    this.#context.fillStyle = color;
    for (let i = 0; i < points.length; i += 2) {
      this.#context.beginPath();
      const [x, y] = [this.#at(points[i]!), this.#at(-points[i + 1]!)];
      this.#context.arc(x, y, radius, 0, 2 * Math.PI);
      this.#context.fill();
    }
  }

  line(points: readonly number[], width: number, color: string): void {
    this.#context.strokeStyle = color;
    this.#context.lineWidth = width;
    this.#context.beginPath();
    for (let i = 0; i < points.length; i += 2) {
      this.#context.lineTo(this.#at(points[i]!), this.#at(-points[i + 1]!));
    }
    this.#context.stroke();
  }

  /** The place of a pointer in the plane. */
  placeOf({ offsetX, offsetY, target }: PointerEvent): [number, number] {
    const { clientWidth } = target as HTMLElement;
    const at = (offset: number) => (2 * offset / clientWidth - 1) * 1.25 * RANGE;
    return [at(offsetX), -at(offsetY)];
  }
}

/** Lets the visitor add points to a list, with a pointer or with the arrow keys and Space. */
function drawPoints(canvas: HTMLCanvasElement, plot: Plot, options: {
  readonly isOn: () => boolean;
  readonly add: (x: number, y: number) => void;
  readonly showCursor: (x: number, y: number) => void;
}): void {
  let cursor: [number, number] = [0, 0];
  const within = (value: number) => Math.max(-RANGE, Math.min(RANGE, value));
  canvas.onpointerdown = canvas.onpointermove = (event) => {
    if (event.buttons === 0 || !options.isOn()) return;
    const [x, y] = plot.placeOf(event);
    options.add(within(x), within(y));
  };
  const moves: Record<string, [number, number]> = {
    ArrowLeft: [-0.1, 0],
    ArrowRight: [0.1, 0],
    ArrowUp: [0, 0.1],
    ArrowDown: [0, -0.1],
  };
  canvas.onkeydown = (event) => {
    const move = moves[event.key];
    if (!options.isOn() || move === undefined && event.key !== " ") return;
    event.preventDefault();
    if (move === undefined) options.add(...cursor);
    else cursor = [within(cursor[0] + move[0]), within(cursor[1] + move[1])];
    options.showCursor(...cursor);
  };
}

export function openPlane(panel: HTMLElement, client: Client): void {
  fill(panel, "sampler", samplerNames.map((name) => [name, name]));
  control(panel, "sampler").value = "ddim";
  const canvas = find(panel, "canvas", HTMLCanvasElement);
  const plot = new Plot(canvas);
  const color = (name: string) => {
    canvas.style.color = `var(${name})`;
    return getComputedStyle(canvas).color; // light or dark
  };
  const drawn: number[] = [];
  const dataOf = (): PlaneData => {
    const kind = control(panel, "data").value as PlaneData["kind"];
    return kind === "drawn" ? { kind, points: drawn } : { kind };
  };
  const showData = () => {
    const data = dataOf();
    plot.clear();
    if (data.kind === "drawn" && drawn.length === 0) return;
    const shown = Array.from({ length: SHOWN }, (_, i) => pointOf(data, i / SHOWN, i));
    plot.points(shown.flat(), 3, color("--muted"));
  };
  const steps = new Steps<PlaneStep>(panel, ({ step, field, points }) => {
    showData();
    for (let i = 0; i < field.length; i += 4) {
      const [x, y, toX, toY] = field.subarray(i, i + 4) as unknown as [
        number,
        number,
        number,
        number,
      ];
      const scale = 0.15 / Math.max(0.6, Math.hypot(toX - x, toY - y));
      plot.line([x, y, x + (toX - x) * scale, y + (toY - y) * scale], 1.5, color("--field"));
      plot.points([x, y], 1.5, color("--field"));
    }
    const before = steps.all.slice(0, step + 1);
    for (let i = 0; i < PATHS; i++) {
      const path = before.flatMap(({ points }) => [points[2 * i]!, points[2 * i + 1]!]);
      plot.line(path, 1, color("--path"));
    }
    plot.points(points, 3.5, color("--accent"));
  });
  const update = () => {
    const isFlow = control(panel, "prediction").value === "flow";
    control(panel, "sampler").disabled = isFlow;
    control(panel, "betaSchedule").disabled = isFlow;
    find(panel, ".draw-help", HTMLElement).hidden = control(panel, "data").value !== "drawn";
  };
  const form = find(panel, "form", HTMLFormElement);
  form.onchange = (event) => {
    update();
    if ((event.target as HTMLSelectElement).name !== "data") return;
    steps.clear();
    showData();
  };
  update();
  showData();
  matchMedia("(prefers-color-scheme: dark)").onchange = showData;
  drawPoints(canvas, plot, {
    isOn: () => control(panel, "data").value === "drawn",
    add: (x, y) => {
      drawn.push(x, y);
      showData();
    },
    showCursor: (x, y) => {
      showData();
      plot.points([x, y], 6, color("--accent"));
    },
  });
  button(panel, "clear").onclick = () => {
    drawn.length = 0;
    showData();
  };

  onSubmit(panel, () => {
    const request: PlaneRequest = {
      data: dataOf(),
      betaSchedule: control(panel, "betaSchedule").value as PlaneRequest["betaSchedule"],
      prediction: control(panel, "prediction").value as PlaneRequest["prediction"],
      trainingSteps: numberIn(panel, "trainingSteps"),
      seed: numberIn(panel, "seed"),
      sampler: control(panel, "sampler").value as PlaneRequest["sampler"],
      steps: numberIn(panel, "steps"),
    };
    const training = find(panel, ".training", HTMLElement);
    steps.clear();
    const call = client.call("drawPlane", request, (event) => {
      if (event.kind === "step") return steps.add(event, event.steps);
      training.textContent = `Training: step ${event.step} of ${request.trainingSteps}, ` +
        `loss ${event.loss.toFixed(3)}`;
    });
    return {
      stop: call.stop,
      result: call.result.then(({ trainingSeconds: seconds }) =>
        say(panel, seconds === undefined ? "Sampled" : `Trained in ${seconds.toFixed(1)} s`)
      ),
    };
  });
}
