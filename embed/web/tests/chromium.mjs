// A headless Chromium, driven over its debugging pipe.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Opens a browser with further `flags`; null where there is none. `RESLSTM_CHROMIUM` may name it. */
export async function openChromium(flags = []) {
  const profile = mkdtempSync(join(tmpdir(), "chromium-"));
  const program = process.env.RESLSTM_CHROMIUM ?? "chromium";
  const browser = spawn(program, [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-pipe", `--user-data-dir=${profile}`, ...flags,
  ], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const started = await new Promise((resolve) => {
    browser.once("error", () => resolve(false));
    browser.once("spawn", () => resolve(true));
  });
  if (!started) {
    rmSync(profile, { recursive: true });
    return null;
  }

  const [, , , input, output] = browser.stdio;
  const [waiting, listeners] = [new Map(), []];
  let [received, number] = ["", 0];
  output.setEncoding("utf8").on("data", (text) => {
    const messages = (received + text).split("\0");
    received = messages.pop();
    for (const message of messages.map((it) => JSON.parse(it))) {
      if (message.id === undefined) listeners.forEach((listener) => listener(message));
      else waiting.get(message.id)(message);
    }
  });
  const send = (method, params = {}, sessionId = undefined) => new Promise((resolve, reject) => {
    number += 1;
    waiting.set(number, ({ error, result }) => (error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result)));
    input.write(JSON.stringify({ id: number, method, params, sessionId }) + "\0");
  });

  /** Opens a page; `errors` collects what it reports. */
  async function open(address, { width = 1280, height = 800, mobile = false } = {}) {
    const { targetId } = await send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
    const command = (method, params) => send(method, params, sessionId);
    const errors = [];
    listeners.push(({ method, params, sessionId: of }) => {
      if (of !== sessionId) return;
      if (method === "Runtime.exceptionThrown") {
        errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
      }
      if (method === "Runtime.consoleAPICalled" && ["error", "warning", "assert"].includes(params.type)) {
        errors.push(params.args.map((it) => it.value ?? it.description).join(" "));
      }
      if (method === "Log.entryAdded" && params.entry.level === "error") errors.push(params.entry.text);
    });
    await Promise.all(["Runtime.enable", "Page.enable", "Log.enable"].map((it) => command(it)));
    /** Gives the window another size, as if the page had been opened in it. */
    const resize = ({ width, height, mobile }) => command("Emulation.setDeviceMetricsOverride", { width, height, mobile, deviceScaleFactor: 1 });
    await resize({ width, height, mobile });
    const loaded = new Promise((resolve) => {
      listeners.push(({ method, sessionId: of }) => {
        if (of === sessionId && method === "Page.loadEventFired") resolve();
      });
    });
    await command("Page.navigate", { url: address });
    await loaded;
    /** The value of an expression, or of its promise. */
    const evaluate = async (expression) => {
      const { result, exceptionDetails } = await command("Runtime.evaluate", {
        expression, awaitPromise: true, returnByValue: true, userGesture: true,
      });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    };
    const screenshot = async () => Buffer.from((await command("Page.captureScreenshot")).data, "base64");
    return { command, evaluate, errors, resize, screenshot, close: () => send("Target.closeTarget", { targetId }) };
  }

  async function close() {
    const ended = new Promise((resolve) => browser.once("exit", resolve));
    await send("Browser.close");
    await ended;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
  return { open, close };
}
