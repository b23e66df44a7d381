// Keeps the worker's files over a reload, in one IndexedDB store: a folder as {}, a file as pieces of {bytes, modified}.
// A round of changes is one transaction, so what is found after a reload is one moment of the past.

const STORE = "files";

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
    transaction.onerror = () => reject(transaction.error);
  });
}

// Time that the worker of a page that is left has to go, after which the lock is another tab's.
const LEAVE_MILLIS = 1500;

// One tab at a time writes: two would mix their runs. The lock is held as long as the worker lives.
function locked(name) {
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    const hold = () => {
      resolve(true);
      return new Promise(() => {});
    };
    navigator.locks.request(name, { signal: AbortSignal.timeout(LEAVE_MILLIS) }, hold).catch(() => resolve(false));
  });
}

export async function openStorage(name) {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  const database = await settled(request);
  const mayWrite = await locked(name);
  return {
    mayWrite,
    // [key, entry] of everything kept, in the order of the keys.
    async readAll() {
      const store = database.transaction(STORE).objectStore(STORE);
      const [keys, entries] = await Promise.all([settled(store.getAllKeys()), settled(store.getAll())]);
      return keys.map((key, ix) => [key, entries[ix]]);
    },
    // `changes`: [key, entry]; no entry removes it, `true` removes all pieces of its file from this one on.
    async write(changes) {
      const transaction = database.transaction(STORE, "readwrite", { durability: "relaxed" });
      const store = transaction.objectStore(STORE);
      const done = finished(transaction);
      try {
        for (const [key, entry] of changes) {
          if (entry === undefined) store.delete(key);
          else if (entry === true) store.delete(IDBKeyRange.bound(key, `${key.split("\n")[0]}\n~`));
          else store.put(entry, key);
        }
      } catch (error) {
        // Half a round is worse than none.
        done.catch(() => {});
        transaction.abort();
        throw error;
      }
      await done;
    },
  };
}
