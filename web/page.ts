/** The page: its tabs, and the line that tells what the worker does. */
import { Client } from "./client.ts";
import { find } from "./elements.ts";
import { openGarments } from "./garments/page.ts";
import { openPlane } from "./plane/page.ts";
import { openSudoku } from "./sudoku/page.ts";
import { openTexts } from "./texts/page.ts";

const lines = ["#status", "#device"].map((id) => find(document.body, id, HTMLElement));
const progress = find(document.body, "#progress", HTMLProgressElement);

const client = new Client(({ text, progress: share = 1, isError = false, isDevice = false }) => {
  const line = lines[isDevice ? 1 : 0]!;
  line.textContent = text;
  line.classList.toggle("error", isError);
  progress.hidden = share >= 1;
  progress.value = share;
});

const tabs = [...document.querySelectorAll<HTMLElement>('[role="tab"]')];
const panelOf = (tab: HTMLElement) =>
  find(document.body, `#${tab.getAttribute("aria-controls")}`, HTMLElement);

function select(chosen: HTMLElement): void {
  for (const tab of tabs) {
    const isChosen = tab === chosen;
    tab.setAttribute("aria-selected", String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
    panelOf(tab).hidden = !isChosen;
  }
  history.replaceState(null, "", `${location.search}#${chosen.getAttribute("aria-controls")}`);
}

for (const [i, tab] of tabs.entries()) {
  tab.onclick = () => select(tab);
  tab.onkeydown = ({ key }) => {
    const step = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    const next = tabs[(i + step + tabs.length) % tabs.length]!;
    select(next);
    next.focus();
  };
}
select(tabs.find((tab) => `#${tab.getAttribute("aria-controls")}` === location.hash) ?? tabs[0]!);

const panel = (id: string) => find(document.body, `#${id}`, HTMLElement);
openGarments(panel("garments"), client);
openPlane(panel("plane"), client);
openSudoku(panel("sudoku"), client);
openTexts(panel("texts"), client);

// Without a service worker the page works, but not offline.
navigator.serviceWorker?.register("offline.js").catch(() => {});
