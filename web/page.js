// Starts the page: what this browser can do, the worker, the screens; or the page for browsers that can do neither.

import init, { show } from "./vitrine.js";

const status = document.getElementById("status");

function say(text) {
  status.textContent = text;
}

function hasCanvas() {
  const canvas = document.createElement("canvas");
  return Boolean(canvas.getContext("webgl2"));
}

// The reports of the recorded runs, for browsers that cannot draw the screens.
async function fallBack(why) {
  document.body.classList.add("plain");
  document.getElementById("why").textContent = why;
  const list = document.getElementById("reports");
  const site = await (await fetch("./site.json")).json();
  for (const [name, file] of Object.entries(site.reports ?? {})) {
    const item = list.appendChild(document.createElement("li"));
    const link = item.appendChild(document.createElement("a"));
    link.href = file;
    link.textContent = name.replace(/\.html$/, "");
  }
  if (!list.childElementCount) list.replaceWith("There are no reports on this site.");
  say(why);
}

// What the screens ask of the page around them.
function frontOf(worker) {
  let awake;
  return {
    post: (text, bytes) => worker.postMessage({ text, bytes }, bytes ? [bytes.buffer] : []),
    listen(onMessage, onHash) {
      worker.onmessage = ({ data }) => (data.failure ? fallBack(`The trainer could not start: ${data.failure}`) : onMessage(data.text, data.bytes));
      window.addEventListener("hashchange", () => onHash(location.hash.slice(1)));
    },
    pickFiles(onFile) {
      const input = document.createElement("input");
      input.type = "file";
      input.multiple = true;
      input.onchange = async () => {
        for (const file of input.files) onFile(file.name, new Uint8Array(await file.arrayBuffer()));
      };
      input.click();
    },
    download(name, bytes) {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([bytes]));
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    },
    say,
    hash: () => decodeURIComponent(location.hash.slice(1)),
    setHash: (hash) => history.replaceState(null, "", `#${hash}`),
    link: (hash) => `${location.href.split("#")[0]}#${hash}`,
    async keepAwake(isTraining) {
      try {
        if (isTraining && !awake) awake = await navigator.wakeLock?.request("screen");
        if (!isTraining && awake) awake = void (await awake.release());
      } catch {
        // A page in the background gets no lock; the training goes on all the same.
      }
    },
  };
}

// `?bench=PRESET` (`&batch=32&secs=5&device=gpu`): training alone against the clock, without the screens; one line of JSON.
function measure(worker, asked) {
  document.body.classList.add("plain");
  const show = (result) => (document.querySelector("main").textContent = JSON.stringify(result));
  worker.onmessage = ({ data }) => {
    const { Speed, Notice } = data.failure ? { Notice: { Message: data.failure } } : JSON.parse(data.text);
    if (Speed) show({ preset: asked.get("bench"), ...Speed });
    if (Notice?.Message) show({ error: Notice.Message });
  };
  const [batch, secs] = [["batch", 32], ["secs", 5]].map(([name, usual]) => Number(asked.get(name) ?? usual));
  worker.postMessage({ text: JSON.stringify({ Speed: { preset: asked.get("bench"), batch, secs } }) });
}

async function begin() {
  if (typeof WebAssembly !== "object") return fallBack("This browser has no WebAssembly");
  if (!hasCanvas()) return fallBack("This browser has neither WebGPU nor WebGL 2");
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "trainer" });
  const module = await WebAssembly.compileStreaming(fetch(new URL("./vitrine_bg.wasm", import.meta.url)));
  const asked = new URLSearchParams(location.search);
  worker.postMessage({ module, about: { base_url: new URL(".", location.href).href, device: asked.get("device") ?? "auto" } });
  if (asked.has("bench")) return measure(worker, asked);
  await init({ module_or_path: module });
  // For people with a console, and for tests: `vitrine.state()`, `vitrine.ask("\"ListRuns\"")`.
  window.vitrine = await show(frontOf(worker), document.getElementById("canvas"));
  document.body.classList.add("running");
}

window.addEventListener("unhandledrejection", (event) => say(`Something went wrong: ${event.reason}`));
begin().catch((error) => fallBack(`The page could not start: ${error?.message ?? error}`));
