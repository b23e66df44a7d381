// The trainer's worker: the same WebAssembly as the page, in a thread of its own.

import init, { work } from "./vitrine.js";
import { openStorage } from "./storage.js";

// Messages that come before the module runs wait here.
const early = [];
self.onmessage = (event) => early.push(event);

// What WebAssembly asks of the world outside.
function outside(storage) {
  return {
    post(text, bytes) {
      self.postMessage({ text, bytes }, bytes ? [bytes.buffer] : []);
    },
    async fetch(url, first) {
      try {
        const response = await fetch(url, first > 0 ? { headers: { Range: `bytes=${first}-` }, cache: "no-store" } : {});
        if (!response.ok) return undefined;
        const bytes = new Uint8Array(await response.arrayBuffer());
        // A server that knows no ranges sends the whole file.
        return first > 0 && response.status === 200 ? bytes.subarray(first) : bytes;
      } catch {
        return undefined;
      }
    },
    readAll: async () => (storage ? storage.readAll() : []),
    write: async (changes) => storage?.write(changes),
  };
}

// What ends WebAssembly for good: a panic, a trap, memory that ran out. Other errors stand on the console.
const fail = (why) => self.postMessage({ failure: String(why) });
const failIfTrap = (error) => (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) && fail(error.message);
self.onPanic = fail;
self.addEventListener("error", (event) => failIfTrap(event.error));
self.addEventListener("unhandledrejection", (event) => failIfTrap(event.reason));

async function begin() {
  const first = await new Promise((resolve) => {
    const look = () => (early.length ? resolve(early.shift().data) : setTimeout(look, 1));
    look();
  });
  let storage;
  let storageTrouble = "";
  try {
    storage = await openStorage("vitrine");
    if (!storage.mayWrite) storageTrouble = "another tab keeps the runs; what is trained here is lost with this tab";
  } catch (error) {
    storageTrouble = `this browser keeps no files (${error?.name ?? error}); what is trained here is lost with this tab`;
  }
  await init({ module_or_path: first.module });
  const take = work(JSON.stringify({ ...first.about, storage_trouble: storageTrouble }), outside(storage));
  self.onmessage = (event) => take(event.data.text, event.data.bytes);
  for (const event of early.splice(0)) take(event.data.text, event.data.bytes);
}

begin().catch((error) => fail(error?.stack ?? error));
