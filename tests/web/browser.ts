/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** Debian's chromium, headless, with the built page. */
import puppeteer, { type Browser, type Page } from "puppeteer-core";
import { buildPage, servePage, WEB_MODELS } from "../../web.ts";
import { permitted } from "../permissions.ts";

const CHROMIUM = "/usr/bin/chromium";

function isInstalled(): boolean {
  try {
    return Deno.statSync(CHROMIUM).isFile;
  } catch {
    return false;
  }
}

/** Whether tests in the browser can run here. */
export const hasBrowser = permitted(
  ...(["read", "write", "run", "env", "sys"] as const).map((name) => ({ name })),
) && isInstalled();

/** The page, opened in the browser. */
export interface OpenedPage extends AsyncDisposable {
  readonly page: Page;
  readonly browser: Browser;
  readonly origin: string;
  /** What the page has logged as errors, and its requests to other hosts. */
  readonly problems: string[];
  /** Ends the server: the page is then offline. */
  endServer(): Promise<void>;
}

/** Builds the page into a folder, serves it and opens it. */
export async function openPage(
  folder: string,
  { models = WEB_MODELS, change }: {
    readonly models?: Readonly<Record<string, string>>;
    /** Changes the folder before it is served. */
    readonly change?: (folder: string) => Promise<void>;
  } = {},
): Promise<OpenedPage> {
  await buildPage(`${folder}/site`, models);
  await change?.(`${folder}/site`);
  const server = servePage(`${folder}/site`, 0);
  const origin = `http://127.0.0.1:${server.addr.port}/`;
  const browser = await puppeteer.launch({
    executablePath: CHROMIUM,
    userDataDir: `${folder}/profile`,
    args: ["--no-sandbox", "--disable-gpu"],
  });
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("request", (request) => {
    const url = request.url();
    if (!/^(data|blob):/.test(url) && !url.startsWith(origin)) problems.push(url);
  });
  await page.goto(origin);
  return {
    page,
    browser,
    origin,
    problems,
    endServer: () => server.shutdown(),
    [Symbol.asyncDispose]: async () => {
      await browser.close();
      await server.shutdown();
    },
  };
}

const SECOND = 1000;

/** The text of an element. */
export const textOf = (page: Page, selector: string) =>
  page.$eval(selector, (element) => element.textContent ?? "");

/** Sets controls by name, as a visitor does. */
export async function set(page: Page, panel: string, values: Record<string, string | number>) {
  for (const [name, value] of Object.entries(values)) {
    await page.$eval(
      `#${panel} [name="${name}"]`,
      (control, value) => {
        (control as HTMLInputElement).value = value;
        control.dispatchEvent(new Event("change", { bubbles: true }));
      },
      String(value),
    );
  }
}

/** Opens a tab, sets controls, submits the form, and waits for the message at the end. */
export async function submit(
  page: Page,
  panel: string,
  values: Record<string, string | number> = {},
) {
  await page.click(`#tab-${panel}`);
  await set(page, panel, values);
  await page.click(`#${panel} [type="submit"]`);
  await page.waitForSelector(`#${panel} .message:not(:empty)`, { timeout: 60 * SECOND });
  return await textOf(page, `#${panel} .message`);
}
