import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { UserError } from "../../base/errors.ts";
import { element, escapeHtml } from "../../report/html.ts";
import { metricsPlot, renderReport, type Report, writeReport } from "../../report/report.ts";
import { permitted } from "../permissions.ts";
import { parseMarkup } from "./markup.ts";

/** A report with the same text in every place that takes one. */
function report(text: string): Report {
  return {
    title: text,
    summary: text,
    warnings: [text],
    figures: [{ name: text, value: text, protocol: text }],
    pictures: [{ caption: text, png: Uint8Array.of(137, 80, 78, 71) }],
    texts: [{ caption: text, texts: [{ prompt: text, text }, { text }] }],
    metrics: [{ step: 1, loss: 2 }, { step: 2, loss: 1 }],
    charts: [{
      title: text,
      xLabel: text,
      yLabel: text,
      columns: { loss: text, step: text },
    }],
    sections: [{
      heading: text,
      notes: [text],
      table: { columns: [text, text], rows: [[text, text]] },
      plots: [{
        title: text,
        xLabel: text,
        yLabel: text,
        series: [{ name: text, x: [0], y: [1] }],
      }],
    }],
    config: { [text]: text, nested: { [text]: [text, 1, true, null] } },
    origin: { data: [{ name: text }] },
  };
}

Deno.test("element() escapes texts and attributes, but not elements", () => {
  const inner = element("b", {}, "<i>");
  assertEquals(
    element("p", { title: "\"&'", id: undefined }, inner, [1, "<", undefined, false]).toString(),
    '<p title="&quot;&amp;&#39;"><b>&lt;i&gt;</b>\n1&lt;</p>\n',
  );
  assertEquals(element("img", { alt: "x" }).toString(), '<img alt="x">\n');
  assertEquals(escapeHtml("a\u0000\u001b[0m\n\ud800"), "a\ufffd\ufffd[0m\n\ufffd");
});

Deno.test("renderReport() escapes scripts in every place that takes a text", () => {
  for (
    const text of [
      "<script>alert(1)</script>",
      '"><img src=x onerror=alert(1)>',
      "'-alert(1)-'",
      "</style><script>",
      "--></title><svg onload=alert(1)>",
      "&lt;script&gt;",
      "${alert(1)}",
    ]
  ) {
    const elements = parseMarkup(renderReport(report(text)));
    const names = new Set(elements.map(({ name }) => name));
    for (const name of ["script", "iframe", "link", "object", "a", "form"]) {
      assert(!names.has(name));
    }
    assertEquals(elements.filter(({ name }) => name === "img").length, 1);
    for (const { attributes } of elements) {
      for (const name of attributes.keys()) assert(!name.startsWith("on"), name);
    }
    // The page shows the text unchanged.
    const shown = (name: string) => elements.filter((element) => element.name === name);
    for (const name of ["h1", "h3", "dt", "td", "title", "figcaption"]) {
      assert(shown(name).some((element) => element.text === text), name);
    }
    assertEquals(shown("img")[0]?.attributes.get("alt"), text);
  }
});

Deno.test("renderReport() returns valid markup whatever the texts are", () => {
  const text = fc.string({
    unit: fc.constantFrom("<", ">", "&", '"', "'", "a", "\u0000", "\ud800", "é"),
  });
  fc.assert(
    fc.property(text, (value) => {
      const [first] = parseMarkup(renderReport(report(value))).filter(({ name }) => name === "h1");
      assertEquals(first?.text, value.toWellFormed().replaceAll("\u0000", "\ufffd"));
    }),
    { numRuns: 100, seed: 6 },
  );
});

Deno.test("renderReport() loads nothing, and its policy forbids loading", () => {
  const page = renderReport(report("x"));
  const elements = parseMarkup(page);
  const policy = elements.find(({ attributes }) =>
    attributes.get("http-equiv") === "Content-Security-Policy"
  )?.attributes.get("content");
  const directives = policy?.split("; ") ?? [];
  for (
    const directive of ["default-src 'none'", "img-src data:", "style-src 'unsafe-inline'"]
  ) assert(directives.includes(directive), directive);
  for (const { attributes } of elements) {
    for (const name of ["href", "srcset", "action", "data"]) assert(!attributes.has(name), name);
    const source = attributes.get("src");
    assert(source === undefined || source.startsWith("data:image/png;base64,iVBOR"), source);
  }
  // The only address is the name space of SVG, which is not opened.
  const addresses = new Set(page.match(/https?:[^"\s]*/g));
  assertEquals([...addresses], ["http://www.w3.org/2000/svg"]);
  assert(!/@import|url\(/.test(page));
});

Deno.test("renderReport() shows settings by dotted keys and leaves out empty parts", () => {
  const elements = parseMarkup(renderReport({
    title: "run",
    config: {
      steps: 3000,
      optimizer: { betas: [0.9, 0.999], name: "adamw" },
      classes: null,
      blocks: [{ kind: "down" }, { kind: "up" }],
      left: undefined,
    },
  }));
  const cells = (name: string) => elements.filter((e) => e.name === name).map(({ text }) => text);
  assertEquals(cells("th"), [
    "steps",
    "optimizer.betas",
    "optimizer.name",
    "classes",
    "blocks.0.kind",
    "blocks.1.kind",
  ]);
  assertEquals(cells("td"), ["3000", "0.9, 0.999", "adamw", "null", "down", "up"]);
  assertEquals(cells("h2"), ["Configuration"]);
});

Deno.test("metricsPlot() returns the columns that have values", () => {
  const metrics = [{ step: 1, loss: 4 }, { step: 2, loss: NaN, valid: 3 }, { step: 3, loss: 2 }];
  const chart = { title: "t", xLabel: "x", yLabel: "y", smooth: 50 };
  const plot = metricsPlot(
    { ...chart, columns: { loss: "training", valid: "validation", speed: "speed" } },
    metrics,
  );
  assertEquals(plot?.series, [
    { name: "training", x: [1, 3], y: [4, 2], smooth: 1 },
    { name: "validation", x: [2], y: [3], smooth: 1 },
  ]);
  assertEquals(metricsPlot({ ...chart, columns: { speed: "speed" } }, metrics), undefined);
});

Deno.test({
  name: "writeReport() writes report.html, and names the folder when it does not exist",
  ignore: !permitted({ name: "read" }, { name: "write" }),
  async fn() {
    const directory = await Deno.makeTempDir();
    try {
      const path = await writeReport(directory, report("x"));
      assertEquals(await Deno.readTextFile(path), renderReport(report("x")));
      const names = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name);
      assertEquals(names, ["report.html"]);
      await assertRejects(() => writeReport(`${directory}/none`, report("x")), UserError, "none");
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
