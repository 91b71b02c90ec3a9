// What the page remembers, where the browser lets it: some refuse storage altogether, and the call goes on without.

/** A few short texts. */
export type PageMemory = {
  readonly read: (key: string) => string | null;
  readonly write: (key: string, text: string | null) => void;
};

/** Remembers in a storage of the browser; `open` is called each time, as even naming the storage may throw. */
export function pageMemory(open: () => Storage): PageMemory {
  const attempt = <Result>(act: (storage: Storage) => Result, otherwise: Result): Result => {
    try {
      return act(open());
    } catch {
      return otherwise;
    }
  };
  return {
    read: (key) => attempt((storage) => storage.getItem(key), null),
    write: (key, text) => {
      attempt((storage) => {
        if (text === null) storage.removeItem(key);
        else storage.setItem(key, text);
      }, undefined);
    },
  };
}
