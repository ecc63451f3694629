/**
 * Makes the page's requests, and keeps each exchange as it was on the wire, as far as a script is shown it.
 *
 * Two things no script sees: the `Cookie` header that the browser adds, and `Set-Cookie`. The client writes down what is
 * known of both, and marks it as the browser's doing.
 */

/** @typedef {{name: string, value: string, by: "page"|"browser"|"server", hidden?: boolean}} Field */
/**
 * @typedef {object} Exchange
 * @property {number} number counted from 1
 * @property {Date} at
 * @property {string} protocol such as HTTP/1.1
 * @property {Way} way
 * @property {{method: string, path: string, fields: Field[], body: string|null}} request
 * @property {{status: number, title: string, fields: Field[], body: string, json: any, problem: Problem|null}|null} answer
 * @property {string|null} failure why there is no answer
 * @property {number} milliseconds
 */
/** @typedef {{status?: number, title: string, detail: string, reason: string, errors?: {field: string, message: string}[]}} Problem */
/** @typedef {"none"|"bearer"|"cookie"|"session"} Way how a request says whose it is */

const KEPT = 100;
const READING = new Set(["GET", "HEAD"]);

/** Where each way's cookie comes from: a name, once it is known. */
const COOKIE = { cookie: "cookie", session: "session" };

export class Client {
  /** @type {Exchange[]} */
  exchanges = [];
  /** @type {Set<(exchange: Exchange) => void>} */
  #watchers = new Set();
  #count = 0;
  #protocol;
  #store;

  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.#store = store;
    const [navigation] = performance.getEntriesByType("navigation");
    // A browser speaks to one origin in one protocol; behind an end of TLS that is often another one.
    this.#protocol = /** @type {any} */ (navigation)?.nextHopProtocol === "h2" ? "HTTP/2" : "HTTP/1.1";
  }

  /** Call `watcher` with every exchange that is kept from now on. */
  watch(watcher) {
    this.#watchers.add(watcher);
  }

  /**
   * Make one request. It never throws: what went wrong is in the exchange.
   *
   * `way` adds the credential; `token` is another one than the store's. `kept: false` leaves the exchange out of the list, for whoever
   * makes hundreds.
   *
   * @param {object} wish
   * @param {string} [wish.method]
   * @param {string} wish.path
   * @param {Way} [wish.way]
   * @param {Record<string, string>} [wish.headers]
   * @param {any} [wish.json]
   * @param {string} [wish.token]
   * @param {boolean} [wish.kept]
   * @returns {Promise<Exchange>}
   */
  async send({ method = "GET", path, way = "none", headers = {}, json, token, kept = true }) {
    const own = { ...headers };
    if (json !== undefined) {
      own["Content-Type"] ??= "application/json";
    }
    const bearer = token ?? (way === "bearer" ? this.#store.get("bearer")?.access : undefined);
    if (bearer !== undefined) {
      own.Authorization = `Bearer ${bearer}`;
    }
    const body = json === undefined ? null : JSON.stringify(json);
    // A request with two credentials is refused: the browser adds its cookies only where they are the credential.
    const credentials = way === "cookie" || way === "session" ? "same-origin" : "omit";
    /** @type {Exchange} */
    const exchange = {
      number: (this.#count += kept ? 1 : 0),
      at: new Date(),
      protocol: this.#protocol,
      way: bearer === undefined ? way : "bearer",
      request: { method, path, fields: this.#requestFields(method, own, way), body },
      answer: null,
      failure: null,
      milliseconds: 0,
    };
    const began = performance.now();
    try {
      const answer = await fetch(path, { method, headers: own, body, credentials, cache: "no-store", redirect: "manual" });
      const text = await answer.text();
      exchange.answer = understood(answer, text);
    } catch (error) {
      exchange.failure = `No answer: ${error instanceof Error ? error.message : error}.`;
    }
    exchange.milliseconds = performance.now() - began;
    if (kept) {
      this.exchanges = [...this.exchanges.slice(1 - KEPT), exchange];
      for (const watcher of this.#watchers) {
        watcher(exchange);
      }
    }
    return exchange;
  }

  #requestFields(method, own, way) {
    /** @type {Field[]} */
    const fields = [{ name: "Host", value: location.host, by: "browser" }];
    for (const [name, value] of Object.entries(own)) {
      fields.push({ name, value, by: "page" });
    }
    const known = way in COOKIE ? this.#store.get(COOKIE[way]) : null;
    const cookies = (known?.setCookie ?? []).map((line) => `${line.split("=")[0]}=…`);
    if (cookies.length > 0) {
      fields.push({ name: "Cookie", value: cookies.join("; "), by: "browser", hidden: true });
    }
    fields.push({ name: "Sec-Fetch-Site", value: "same-origin", by: "browser" });
    if (!READING.has(method)) {
      fields.push({ name: "Origin", value: location.origin, by: "browser" });
    }
    return fields;
  }
}

/** @returns {NonNullable<Exchange["answer"]>} */
function understood(answer, text) {
  const type = answer.headers.get("content-type") ?? "";
  /** @type {any} */
  let json = null;
  if (/[/+]json\b/.test(type)) {
    try {
      json = JSON.parse(text);
    } catch {
      json = null; // then it is shown as the text that it is
    }
  }
  /** @type {Field[]} */
  const fields = [...answer.headers].map(([name, value]) => ({ name, value, by: "server" }));
  // The gateway repeats its own Set-Cookie lines, without their values, because no script is shown the header itself.
  for (const line of json?.set_cookie ?? []) {
    fields.push({ name: "set-cookie", value: line, by: "server", hidden: true });
  }
  const problem = type.startsWith("application/problem+json") ? json : null;
  return { status: answer.status, title: answer.statusText, fields, body: text, json, problem };
}

/**
 * Say what went wrong with an exchange, or null if nothing did: never an answer that is silently nothing.
 *
 * @param {Exchange} exchange
 * @returns {Problem|null}
 */
export function problemOf(exchange) {
  if (exchange.answer === null) {
    return { title: "No answer", reason: "no_answer", detail: exchange.failure ?? "Nothing came back." };
  }
  if (exchange.answer.problem !== null) {
    return exchange.answer.problem;
  }
  if (exchange.answer.status >= 400) {
    const { status, title } = exchange.answer;
    return { status, title, reason: "unexplained", detail: "The answer is a refusal, and no problem document." };
  }
  return null;
}
