/** What a model card says of an evaluation.json. */
import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import { QUALITY_FIGURES, QUALITY_KEYS } from "./result_file.ts";

/** The heading of the part. */
export const CARD_HEADING = "## Measured quality";

/** A part of a JSON object by its name; an empty one if there is none. */
function part(json: JsonObject, name: string): JsonObject {
  const value = json[name];
  return isJsonObject(value) ? value : {};
}

function show(value: JsonValue | undefined, format: (value: number) => string): string {
  return typeof value === "number" ? format(value) : "";
}

/**
 * Writes the part of a model card about an evaluation, in Markdown.
 *
 * @param json What readEvaluation gives.
 */
export function evaluationMarkdown(json: JsonObject): string {
  const [protocol, range, real] = ["protocol", "range", "real_images"].map((n) => part(json, n));
  const several = Array.isArray(json["seeds"]) && json["seeds"].length > 1;
  const rows = QUALITY_KEYS.flatMap((key) => {
    const { column, name, format } = QUALITY_FIGURES[key];
    if (typeof json[column] !== "number") return [];
    const ends = range![column];
    const apart = several && Array.isArray(ends)
      ? ` (${ends.map((end) => show(end, format)).join(" to ")})`
      : "";
    return [[
      ...[name, show(json[column], format) + apart, show(real![column], format)],
      String(protocol![column] ?? ""),
    ]];
  });
  if (typeof json["bits_per_dimension"] === "number") {
    const how = String(protocol!["bits_per_dimension"] ?? "");
    rows.push(["bits per dimension", json["bits_per_dimension"].toFixed(3), "", how]);
  }
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const accuracy = show(json["classifier_accuracy"], (value) => `${(100 * value).toFixed(2)} %`);
  return [
    CARD_HEADING,
    "",
    line(["figure", "samples", "real images", "how"]),
    line(["---", "---", "---", "---"]),
    ...rows.map(line),
    "",
    `Samples: ${protocol!["samples"]}.`,
    `Real images: ${protocol!["real_images"]}.`,
    ...(typeof json["fid_of_test_images"] === "number"
      ? [`FID of as many of the test images themselves: ${json["fid_of_test_images"].toFixed(2)}.`]
      : []),
    `The classifier finds the class of ${accuracy} of the test images. Figures measured with another`,
    "classifier cannot be compared with these. Measured by",
    "",
    "```",
    String(json["command"]),
    "```",
    "",
  ].join("\n");
}

/**
 * Puts the part into a card: in the place of the one that is there, or at the end.
 *
 * @param card The card, in Markdown.
 * @param section What {@linkcode evaluationMarkdown} wrote.
 */
export function withEvaluation(card: string, section: string): string {
  const lines = card.split("\n");
  const start = lines.indexOf(CARD_HEADING);
  if (start < 0) return `${card.trimEnd()}\n\n${section}`;
  const next = lines.findIndex((line, i) => i > start && /^##? /.test(line));
  const rest = next < 0 ? "" : `\n${lines.slice(next).join("\n")}`;
  return `${[...lines.slice(0, start), section].join("\n")}${rest}`;
}
