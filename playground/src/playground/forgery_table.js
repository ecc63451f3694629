/** The forgeries as a table: each with what its maker hopes for, and what every service says to it. */

import { registered } from "./account.js";
import { problemOf } from "./client.js";
import { button, element, replace, scrolling } from "./dom.js";
import { FORGERIES } from "./forgeries.js";
import { fetchedKeySet } from "./key_set.js";
import { SERVICES, shownToAll, verdictOf } from "./services.js";

/** How long after a log-out every service certainly knows. */
const KNOWN_EVERYWHERE = 1000;

/**
 * @param {import("./main.js").Context} context
 * @param {string} genuine
 * @returns {HTMLElement}
 */
export function forgeryTable(context, genuine) {
  const said = element("div", { class: "stack", role: "status" });
  const rows = FORGERIES.map((forgery) => row(forgery, attempt));

  async function attempt(forgery, cells) {
    try {
      const exchanges = await shownToAll(context.client, await forgery.make(genuine, await means(context)));
      cells.forEach((cell, index) => replace(cell, verdictOf(exchanges[index])));
      return exchanges;
    } catch (refusal) {
      replace(said, context.explain(refusal instanceof Refusal ? refusal.problem : { title: "This could not be made", reason: "page_error", detail: String(refusal) }));
      return [];
    }
  }

  async function all() {
    let refused = 0;
    let sent = 0;
    for (const [index, { send }] of rows.entries()) {
      replace(said, element("p", {}, `Trying ${index + 1} of ${rows.length} …`));
      const exchanges = await send();
      if (exchanges.length === 0) {
        return;
      }
      sent += exchanges.length;
      refused += exchanges.filter((exchange) => exchange.answer?.status === 401).length;
    }
    replace(said, element("p", {}, `${sent} attempts, ${refused} refused. Each answer names its reason, and what was sent is at the foot of the page.`));
  }

  return element(
    "div",
    { class: "card" },
    element("h2", {}, "Forge one"),
    element("p", { class: "prose" }, "Ready-made, from this token and what anybody can know. Each is sent to all three who verify; each of them checks for itself, and in the same order, so that they agree."),
    element("div", { class: "buttons" }, button("Try all of them", all, { class: "first" })),
    said,
    scrolling(
      "Forgeries and what became of them",
      element(
        "table",
        { class: "forgeries" },
        element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "What is sent"), ...SERVICES.map(({ name }) => element("th", { scope: "col" }, name)))),
        element("tbody", {}, ...rows.map((each) => each.line)),
      ),
    ),
  );
}

function row(forgery, attempt) {
  const cells = SERVICES.map(() => element("td", {}, element("span", { class: "note" }, "–")));
  const send = () => attempt(forgery, cells);
  const line = element(
    "tr",
    {},
    element(
      "th",
      { scope: "row" },
      forgery.title,
      element("p", { class: "note" }, forgery.idea),
      button("Send", send, { class: "quiet", "aria-label": `Send: ${forgery.title}` }),
    ),
    ...cells,
  );
  return { line, send };
}

class Refusal extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

function orRefusal(exchange) {
  const problem = problemOf(exchange);
  if (problem !== null) {
    throw new Refusal(problem);
  }
  return exchange.answer.json;
}

/** @returns {Promise<import("./forgeries.js").Means>} */
async function means(context) {
  const { client, store } = context;
  const { keySet, exchange } = store.get("keySet") === null ? await fetchedKeySet(context) : { keySet: store.get("keySet"), exchange: null };
  if (keySet === null) {
    throw new Refusal(problemOf(exchange));
  }
  return {
    keySet,
    async logIn(wishes) {
      const { account, problem } = await registered(context);
      if (problem !== null) {
        throw new Refusal(problem);
      }
      const { email, password } = account;
      return orRefusal(await client.send({ method: "POST", path: "/login", json: { email, password, ...wishes } }));
    },
    async logOut(token) {
      orRefusal(await client.send({ method: "POST", path: "/logout", token }));
      await new Promise((resolve) => setTimeout(resolve, KNOWN_EVERYWHERE));
    },
  };
}
