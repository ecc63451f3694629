/**
 * What the page knows, and who wants to hear when it changes.
 *
 * - `bearer`: `{access, refresh, expiresAt, scope}` or null; in this page's memory alone, gone when it is reloaded.
 * - `cookie`, `session`: `{since, scope?, setCookie?, life?}` or null. The credential itself is in a cookie that no script can
 *   read; what stands here is that there is one. All tabs of this origin share it.
 * - `account`: `{email, password, name}`, whom the page logs in.
 * - `keySet`: the JWK Set as last fetched. `laboratory`: `{session, plain}`, which further upstreams run.
 */

const SHARED = ["cookie", "session"];
const PREFIX = "signet.";

/** @typedef {(value: any) => void} Watcher */

export class Store {
  /** @type {Map<string, any>} */
  #values = new Map();
  /** @type {Map<string, Set<Watcher>>} */
  #watchers = new Map();

  constructor() {
    for (const name of SHARED) {
      this.#values.set(name, JSON.parse(localStorage.getItem(PREFIX + name) ?? "null"));
    }
    // Fires in every tab but the one that wrote: so a log-out is seen in all of them at once.
    window.addEventListener("storage", (event) => {
      const name = event.key?.slice(PREFIX.length) ?? "";
      if (SHARED.includes(name)) {
        this.#keep(name, JSON.parse(event.newValue ?? "null"));
      }
    });
  }

  /** @param {string} name */
  get(name) {
    return this.#values.get(name) ?? null;
  }

  /**
   * @param {string} name
   * @param {any} value null when there is none any more
   */
  set(name, value) {
    if (SHARED.includes(name)) {
      if (value === null) {
        localStorage.removeItem(PREFIX + name);
      } else {
        localStorage.setItem(PREFIX + name, JSON.stringify(value));
      }
    }
    this.#keep(name, value);
  }

  /**
   * Call `watcher` with the value now and whenever it changes.
   *
   * @param {string} name
   * @param {Watcher} watcher
   * @returns {() => void} ends the watching
   */
  watch(name, watcher) {
    const watchers = this.#watchers.get(name) ?? new Set();
    this.#watchers.set(name, watchers.add(watcher));
    watcher(this.get(name));
    return () => watchers.delete(watcher);
  }

  #keep(name, value) {
    this.#values.set(name, value);
    for (const watcher of this.#watchers.get(name) ?? []) {
      watcher(value);
    }
  }
}
