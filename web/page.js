// Starts the page: what this browser can do, the worker, the screens; or the page for browsers that can do neither.

import init, { letters, show } from "./vitrine.js";

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
  const reports = await reportsOfSite();
  if (!reports?.length) list.replaceWith(reports ? "There are no reports on this site." : "The list of reports cannot be fetched: is the site still there?");
  for (const [name, file] of reports ?? []) {
    const item = list.appendChild(document.createElement("li"));
    const link = item.appendChild(document.createElement("a"));
    link.href = file;
    link.textContent = name.replace(/\.html$/, "");
  }
}

// [name, file] of the recorded reports; nothing where the site does not answer.
async function reportsOfSite() {
  try {
    return Object.entries((await (await fetch("./site.json")).json()).reports ?? {});
  } catch {
    return undefined;
  }
}

// What cannot go on says so over the screens, to everybody, with the way out.
function showEnd(why) {
  document.getElementById("end-why").textContent = why;
  document.getElementById("end").hidden = false;
}

// Browsers write the address some 100 times in 10 s at most, and throw beyond.
const ADDRESS_MILLIS = 350;

// Writes the address of the view: at once where the screen changes, so that Back leads to the last one, and else not more
// often than browsers allow, the last view in any case.
function addressBar() {
  const screenOf = (hash) => hash.split("?")[0];
  const shown = () => location.hash.slice(1);
  let isFirst = true;
  let wanted;
  let timer;
  const write = (how) => {
    try {
      history[how](null, "", `#${wanted}`);
      wanted = undefined;
    } catch {
      // The next turn of the timer tries again.
    }
  };
  const turn = () => {
    const isDue = wanted !== undefined;
    if (isDue) write("replaceState");
    timer = isDue ? setTimeout(turn, ADDRESS_MILLIS) : undefined;
  };
  return {
    set(hash) {
      const isElsewhere = !isFirst && screenOf(hash) !== screenOf(wanted ?? shown());
      if (isElsewhere && wanted !== undefined) write("replaceState");
      isFirst = false;
      wanted = hash;
      if (isElsewhere) write("pushState");
      else if (timer === undefined) write("replaceState");
      timer ??= setTimeout(turn, ADDRESS_MILLIS);
    },
    // Somebody went elsewhere: what was still to be written is of the view that was left.
    forget: () => (wanted = undefined),
  };
}

const entriesOf = (folder) =>
  new Promise((resolve, reject) => {
    const reader = folder.createReader();
    const entries = [];
    // A browser hands out the entries in portions, an empty one at the end.
    const more = () => reader.readEntries((some) => (some.length ? (entries.push(...some), more()) : resolve(entries)), reject);
    more();
  });

const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));
const bytesOf = async (file) => new Uint8Array(await file.arrayBuffer());

// Every run below a dropped folder: a folder with a run.json, whose checkpoints stay where they are.
async function runsIn(folder, onRun) {
  const entries = await entriesOf(folder);
  const folders = entries.filter((entry) => entry.isDirectory);
  if (!entries.some((entry) => entry.name === "run.json")) {
    for (const below of folders) await runsIn(below, onRun);
    return;
  }
  const files = [];
  const take = async (entry, name) => files.push([name, await bytesOf(await fileOf(entry))]);
  for (const entry of entries) if (entry.isFile && entry.name !== "lock") await take(entry, entry.name);
  for (const probes of folders.filter((entry) => entry.name === "probes")) {
    for (const entry of await entriesOf(probes)) await take(entry, `probes/${entry.name}`);
  }
  onRun(folder.name, files);
}

const IMAGE_NAME = /\.(jpe?g|png|webp)$/i;
// The shorter side to which dropped images are scaled down, pixels: a tab trains on small ones.
const IMAGE_SIDE = 128;
// Images that are decoded at a time.
const NUM_DECODED = 8;

// Every image below a dropped folder: its path from there, and its entry.
async function imagesIn(folder, path = folder.name) {
  const found = [];
  for (const entry of await entriesOf(folder)) {
    const below = `${path}/${entry.name}`;
    if (entry.isDirectory) found.push(...(await imagesIn(entry, below)));
    else if (IMAGE_NAME.test(entry.name)) found.push([below, entry]);
  }
  return found;
}

// A small copy of an image as PNG. One that the browser cannot read stays as it is: the trainer names and counts it.
async function smallCopy(entry) {
  const file = await fileOf(entry);
  try {
    let image = await createImageBitmap(file);
    const share = Math.min(1, IMAGE_SIDE / Math.min(image.width, image.height));
    if (share === 1 && file.type === "image/png") return bytesOf(file);
    const [width, height] = [image.width, image.height].map((side) => Math.round(side * share));
    if (share < 1) image = await createImageBitmap(image, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
    const canvas = new OffscreenCanvas(width, height);
    // A canvas of the GPU would take long to read back from.
    canvas.getContext("2d", { willReadFrequently: true }).drawImage(image, 0, 0);
    image.close();
    return bytesOf(await canvas.convertToBlob({ type: "image/png" }));
  } catch {
    return bytesOf(file);
  }
}

// Hands the images of a dropped folder to the trainer; tells whether there are any.
async function putImages(folder, post, tell) {
  const images = await imagesIn(folder);
  for (let first = 0; first < images.length; first += NUM_DECODED) {
    const some = images.slice(first, first + NUM_DECODED);
    const copies = await Promise.all(some.map(async ([path, entry]) => [path, await smallCopy(entry)]));
    for (const [path, bytes] of copies) post(JSON.stringify({ PutImage: path }), bytes);
    if (first % 400 === 0) tell(`${folder.name}: ${first} of ${images.length} images read`);
  }
  if (images.length) post(JSON.stringify({ PutImages: folder.name }));
  return images.length > 0;
}

// The files of a picked folder as the entries that a dropped one has.
function entryOf(files) {
  const root = { isDirectory: true, below: new Map() };
  for (const file of files) {
    const parts = file.webkitRelativePath.split("/");
    let folder = root;
    for (const part of parts.slice(0, -1)) {
      if (!folder.below.has(part)) folder.below.set(part, { isDirectory: true, name: part, below: new Map() });
      folder = folder.below.get(part);
    }
    folder.below.set(parts.at(-1), { isFile: true, name: parts.at(-1), file: (resolve) => resolve(file) });
  }
  const withReaders = (folder) => {
    folder.createReader = () => {
      const portions = [[...folder.below.values()], []];
      return { readEntries: (resolve) => resolve(portions.shift()) };
    };
    for (const entry of folder.below.values()) if (entry.isDirectory) withReaders(entry);
    return folder;
  };
  return [...withReaders(root).below.values()].filter((entry) => entry.isDirectory);
}

// Takes folders: every run in them, or else their images.
function folderTaker(onRun, post, tell) {
  return (folders) => {
    let found = 0;
    const count = (...run) => (found++, onRun(...run));
    Promise.all(folders.map((folder) => runsIn(folder, count)))
      .then(async () => found || (await putImages(folders[0], post, tell)) || onRun(folders[0].name, []))
      .catch((error) => tell(`The folder cannot be read: ${error?.message ?? error}`));
  };
}

// Folders are ours to read; files go to the canvas.
function watchFolders(takeFolders) {
  const take = (event) => {
    const entries = [...(event.dataTransfer?.items ?? [])].map((item) => item.webkitGetAsEntry?.());
    const folders = entries.filter((entry) => entry?.isDirectory);
    if (!folders.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    takeFolders(folders);
  };
  window.addEventListener("drop", take, { capture: true });
}

// Reports the end of the trainer once: a worker that could not be loaded, a panic, memory that ran out.
function watchTrainer(worker) {
  let onEnd = (why) => fallBack(`The trainer could not start: ${why}`);
  let ended;
  const end = (why) => {
    if (ended !== undefined) return;
    ended = why;
    worker.terminate();
    onEnd(why);
  };
  worker.onerror = (event) => end(event.message || "its script could not be loaded");
  worker.onmessageerror = () => end("one of its messages could not be read");
  return {
    end,
    // From now on the screens are told.
    tell(told) {
      onEnd = told;
      if (ended !== undefined) told(ended);
    },
  };
}

// What the screens ask of the page around them.
function frontOf(worker, trainer) {
  let isAwake = false;
  let lock;
  const holdLock = async () => {
    try {
      if (isAwake && (!lock || lock.released)) lock = await navigator.wakeLock?.request("screen");
      if (!isAwake && lock) lock = void (await lock.release());
    } catch {
      // A page in the background gets no lock; the training goes on all the same.
    }
  };
  // A browser takes the lock away from a page that is hidden.
  document.addEventListener("visibilitychange", holdLock);
  const post = (text, bytes) => worker.postMessage({ text, bytes }, bytes ? [bytes.buffer] : []);
  // A page that is left may not come back: what is not kept yet is kept now.
  const keep = () => post(JSON.stringify("Keep"));
  window.addEventListener("pagehide", keep);
  document.addEventListener("visibilitychange", () => document.hidden && keep());
  const address = addressBar();
  let takeFolders;
  return {
    post,
    listen(onMessage, onHash, onFolder, onEnd) {
      worker.onmessage = ({ data }) => (data.failure ? trainer.end(data.failure) : onMessage(data.text, data.bytes));
      trainer.tell((why) => {
        onEnd(why);
        showEnd(`The trainer has stopped: ${why}. What was kept goes on from its last checkpoint.`);
      });
      window.addEventListener("hashchange", () => {
        address.forget();
        onHash(location.hash.slice(1));
      });
      takeFolders = folderTaker(onFolder, post, (text) => onMessage(JSON.stringify({ Notice: { Message: text } })));
      watchFolders(takeFolders);
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
    pickFolder() {
      const input = document.createElement("input");
      input.type = "file";
      input.webkitdirectory = true;
      input.onchange = () => input.files.length && takeFolders(entryOf(input.files));
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
    hash: () => location.hash.slice(1),
    setHash: address.set,
    link: (hash) => `${location.href.split("#")[0]}#${hash}`,
    keepAwake(isTraining) {
      isAwake = isTraining;
      return holdLock();
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
  const trainer = watchTrainer(worker);
  worker.onmessage = ({ data }) => data.failure && trainer.end(data.failure);
  const module = await WebAssembly.compileStreaming(fetch(new URL("./vitrine_bg.wasm", import.meta.url)));
  const asked = new URLSearchParams(location.search);
  const browser = { user_agent: navigator.userAgent, is_secure: window.isSecureContext, has_webgpu: Boolean(navigator.gpu) };
  worker.postMessage({ module, about: { base_url: new URL(".", location.href).href, device: asked.get("device") ?? "auto", ...browser } });
  if (asked.has("bench")) return measure(worker, asked);
  await init({ module_or_path: module });
  // The screens smooth their edges themselves; several samples a pixel would be most of a frame where WebGL is software.
  const canvas = document.getElementById("canvas");
  canvas.getContext("webgl2", { antialias: false, depth: false, stencil: false });
  // For people with a console, and for tests: `vitrine.state()`, `vitrine.ask("\"ListRuns\"")`, `vitrine.letters()`.
  window.vitrine = Object.assign(await show(frontOf(worker, trainer), canvas), { letters });
  document.body.classList.add("running");
}

// A panic of the page leaves a canvas that no longer moves.
window.onPanic = (text) => showEnd(`The page has stopped: ${text}`);
document.getElementById("again").onclick = () => location.reload();
// Browsers keep Ctrl-K for themselves unless it is taken before anybody else sees it.
const takeKeys = (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key?.toLowerCase() === "k") event.preventDefault();
};
window.addEventListener("keydown", takeKeys, { capture: true });
window.addEventListener("unhandledrejection", (event) => say(`Something went wrong: ${event.reason}`));
begin().catch((error) => fallBack(`The page could not start: ${error?.message ?? error}`));
