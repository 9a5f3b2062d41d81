/** The section of a model card about an evaluation. */
import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import { QUALITY_FIGURES, QUALITY_KEYS } from "./result_file.ts";

export const CARD_HEADING = "## Measured quality";

function part(json: JsonObject, name: string): JsonObject {
  const value = json[name];
  return isJsonObject(value) ? value : {};
}

function show(value: JsonValue | undefined, format: (value: number) => string): string {
  return typeof value === "number" ? format(value) : "";
}

/** Writes the section in Markdown, from the content of an evaluation.json. */
export function evaluationMarkdown(json: JsonObject): string {
  const protocol = part(json, "protocol");
  const range = part(json, "range");
  const real = part(json, "real_images");
  const several = Array.isArray(json["seeds"]) && json["seeds"].length > 1;
  const rows = QUALITY_KEYS.flatMap((key) => {
    const { column, name, format } = QUALITY_FIGURES[key];
    if (typeof json[column] !== "number") return [];
    const ends = range[column];
    const apart = several && Array.isArray(ends)
      ? ` (${ends.map((end) => show(end, format)).join(" to ")})`
      : "";
    return [[
      name,
      show(json[column], format) + apart,
      show(real[column], format),
      String(protocol[column] ?? ""),
    ]];
  });
  if (typeof json["bits_per_dimension"] === "number") {
    const how = String(protocol["bits_per_dimension"] ?? "");
    rows.push(["bits per dimension", json["bits_per_dimension"].toFixed(3), "", how]);
  }
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const accuracy = show(json["classifier_accuracy"], (value) => `${(100 * value).toFixed(2)} %`);
  return [
    CARD_HEADING,
    "",
    line(["figure", "samples", "real images", "protocol"]),
    line(["---", "---", "---", "---"]),
    ...rows.map(line),
    "",
    `Samples: ${protocol["samples"]}.`,
    `Real images: ${protocol["real_images"]}.`,
    ...(typeof json["fid_of_test_images"] === "number"
      ? [`FID of equally many test images: ${json["fid_of_test_images"].toFixed(2)}.`]
      : []),
    `The accuracy of the classifier on the test images is ${accuracy}. Figures of other classifiers`,
    "cannot be compared with these. Command:",
    "",
    "```",
    String(json["command"]),
    "```",
    "",
  ].join("\n");
}

/** Puts the section into a card, where it replaces an older one or becomes the end. */
export function withEvaluation(card: string, section: string): string {
  const lines = card.split("\n");
  const start = lines.indexOf(CARD_HEADING);
  if (start < 0) return `${card.trimEnd()}\n\n${section}`;
  const next = lines.findIndex((line, i) => i > start && /^##? /.test(line));
  const rest = next < 0 ? "" : `\n${lines.slice(next).join("\n")}`;
  return `${[...lines.slice(0, start), section].join("\n")}${rest}`;
}
