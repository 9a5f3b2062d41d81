/** The style sheet of a page, for wide and narrow screens, for paper, in light and in dark. */
import { Markup } from "./html.ts";

export const STYLE: Markup = new Markup(`
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #24292f; --quiet: #57606a; --line: #d8dee4; --panel: #f6f8fa;
  --warn: #fff8c5; --warn-line: #d4a72c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #0d1117; --ink: #e6edf3; --quiet: #9aa4af; --line: #30363d; --panel: #161b22;
    --warn: #2e2a15; --warn-line: #9e7b1f;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 {
  font-size: 1.2rem; margin: 2.5rem 0 1rem; padding-bottom: .35rem;
  border-bottom: 1px solid var(--line);
}
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
.summary { color: var(--quiet); margin: .5rem 0 0; }
.warning {
  background: var(--warn); border-left: 4px solid var(--warn-line); border-radius: 4px;
  margin: 1rem 0 0; padding: .6rem .9rem;
}
.figures {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 16rem), 1fr));
  gap: 1rem; margin: 0;
}
.figures > div {
  background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: .9rem 1rem;
}
.figures dt { color: var(--quiet); font-size: .875rem; }
.figures dd { margin: 0; overflow-wrap: anywhere; }
.figures .value { font-size: 1.6rem; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums; }
.figures .real { font-size: .9rem; }
.figures .protocol { color: var(--quiet); font-size: .8rem; line-height: 1.4; margin-top: .25rem; }
figure { margin: 0 0 1.5rem; }
figure img {
  display: block; max-width: 100%; height: auto;
  border: 1px solid var(--line); border-radius: 6px; background: #fff;
}
figcaption { color: var(--quiet); font-size: .875rem; margin-top: .5rem; }
@media (min-width: 48rem) { figure img { image-rendering: pixelated; } }
.chart { overflow-x: auto; }
.chart svg { display: block; width: 100%; height: auto; }
.texts { margin: 0; padding: 0; list-style: none; }
.texts li {
  background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
  margin-bottom: .6rem; padding: .6rem .9rem;
}
.texts p { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
.texts .prompt { color: var(--quiet); font-size: .875rem; margin-bottom: .25rem; }
.monospace p { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.monospace p { overflow-x: auto; overflow-wrap: normal; white-space: pre; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .5rem; text-align: left; vertical-align: top; }
th { font-weight: 500; color: var(--quiet); }
tbody th { white-space: nowrap; width: 1%; padding-right: 1.5rem; }
.columns tbody th { white-space: normal; width: auto; min-width: 9rem; }
.columns .long { width: 60%; font-family: inherit; }
td { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  main { padding: 1.25rem 1rem 3rem; }
  h1 { font-size: 1.4rem; }
  tr { display: block; border-bottom: 1px solid var(--line); padding: .35rem 0; }
  th, tbody th, td, .columns .long { display: block; border: 0; padding: 0; width: auto; white-space: normal; overflow-wrap: anywhere; }
  .chart .plot { font-size: 15px; }
  .chart .plot .title { font-size: 16px; }
  .columns thead { display: none; }
  .columns td::before { content: attr(data-label) ": "; color: var(--quiet); font-family: system-ui, sans-serif; }
  .columns td:empty { display: none; }
}
@media print {
  :root {
    --paper: #ffffff; --ink: #000000; --quiet: #444444; --line: #cccccc; --panel: #ffffff;
    --warn: #ffffff; --warn-line: #888888;
  }
  main { max-width: none; padding: 0; }
  figure, .figures > div, .texts li, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
`);
