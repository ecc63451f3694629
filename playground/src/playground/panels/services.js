/** Calls profile and orders by each credential, and draws the way that a request took, from what its answer says of its time. */

import { problemOf } from "../client.js";
import { busy, button, drawn, element, replace, scrolling } from "../dom.js";
import { journeyOf } from "../journey.js";
import { attempt } from "../problem.js";
import { inWords, sequence } from "../sequence.js";
import { milliseconds } from "../timing.js";
import { dropped, enter } from "../ways.js";
import { wire } from "../wire.js";

const REQUESTS = [
  { name: "profile", label: "Read my profile", method: "GET", path: "/api/profile", service: "profile" },
  { name: "orders", label: "List my orders", method: "GET", path: "/api/orders", service: "orders" },
  {
    name: "place",
    label: "Place an order",
    method: "POST",
    path: "/api/orders",
    service: "orders",
    json: { items: [{ sku: "SEAL-BRASS", quantity: 1 }] },
    notBy: { session: "the twin takes no orders" },
  },
];

const WAYS = [
  { name: "none", label: "with nothing" },
  { name: "bearer", label: "bearer token" },
  { name: "cookie", label: "token in a cookie" },
  { name: "session", label: "session" },
];

/**
 * @param {HTMLElement} section
 * @param {{client: import("../client.js").Client, store: import("../store.js").Store, explain: (problem: any) => HTMLElement}} context
 */
export function mount(section, { client, store, explain }) {
  const seen = element("div", { class: "card", role: "region", "aria-label": "The way of one request" });
  const said = element("p", { class: "note", role: "status" });
  const trouble = element("div", {});
  const held = Object.fromEntries(WAYS.map(({ name }) => [name, element("small", {})]));
  const buttons = [];

  async function ask(pressed, wanted, way) {
    await busy(pressed, async () => {
      const path = way === "session" ? `/laboratory/session${wanted.path}` : wanted.path;
      const { method, json } = wanted;
      const exchange = await client.send({ method, path, way, json });
      const status = exchange.answer?.status;
      replace(
        pressed,
        element("span", { class: `status status-${status === undefined ? 5 : Math.floor(status / 100)}` }, status ?? "no answer"),
        ` ${milliseconds(exchange.milliseconds)}`,
      );
      for (const { made } of buttons) {
        made.setAttribute("aria-pressed", String(made === pressed));
      }
      said.textContent = `${wanted.label}, ${labelOf(way)}: ${status ?? "no answer"} ${problemOf(exchange)?.reason ?? ""}`;
      show(exchange, wanted, way);
      if (way === "cookie" || way === "session") {
        dropped(exchange, store, way);
      }
    });
  }

  function show(exchange, wanted, way) {
    const journey = journeyOf(exchange, way === "session" ? "session" : wanted.service, store.get(way) !== null);
    const problem = problemOf(exchange);
    replace(
      seen,
      element("h2", {}, `${wanted.label}, ${labelOf(way)}`),
      problem && explain(problem),
      element("p", { class: "prose" }, meaning(wanted, way, exchange)),
      journey.told
        ? [
            sequence(journey, `${wanted.label}: ${journey.steps.length} messages between ${journey.lanes.join(", ")}, told in the list below.`),
            element("details", {}, element("summary", {}, "The same in words"), inWords(journey)),
            element("h3", {}, "How long each part took"),
            shares(journey),
            element(
              "p",
              { class: "note" },
              "Each process says in Server-Timing how long it was at it. What is on the way between two of them is known in sum only; the drawing takes half of it for the way there.",
            ),
          ]
        : element("p", { class: "note" }, "This system does not say how long its parts take: SIGNET_SERVER_TIMING is off. The whole took ", milliseconds(journey.total), "."),
      element("details", {}, element("summary", {}, "As it was on the wire"), wire(exchange)),
    );
  }

  function cell(wanted, way) {
    const never = wanted.notBy?.[way];
    if (never !== undefined) {
      return element("td", {}, element("span", { class: "note" }, never));
    }
    const made = element("button", { type: "button", "aria-pressed": "false", "aria-label": `${wanted.label}, ${labelOf(way)}` }, "Ask");
    made.addEventListener("click", () => {
      made.removeAttribute("aria-label");
      ask(made, wanted, way);
    });
    buttons.push({ made, wanted, way });
    return element("td", { class: `by-${way}` }, made);
  }

  const all = button("Ask everything", async () => {
    for (const { made, wanted, way } of buttons) {
      if (!made.disabled) {
        made.removeAttribute("aria-label");
        await ask(made, wanted, way);
      }
    }
  }, { class: "first" });

  section.append(
    element(
      "p",
      { class: "prose" },
      "Profile and orders have never heard of your login, and ask nobody about it: each checks the token by itself, with public keys that it fetched long before. ",
      "Placing an order is the one request for which a service needs another. Orders does not hand your token on; it gets a narrower one at auth, which only profile accepts.",
    ),
    element(
      "div",
      { class: "card" },
      scrolling("Requests and credentials",
        element(
          "table",
          { class: "asking" },
          element("thead", {}, element("tr", {}, element("td", {}), ...WAYS.map(({ name, label }) => element("th", { scope: "col" }, label, " ", held[name])))),
          element(
            "tbody",
            {},
            ...REQUESTS.map((wanted) => element("tr", {}, element("th", { scope: "row" }, wanted.label, " ", element("code", {}, `${wanted.method} ${wanted.path}`)), ...WAYS.map(({ name }) => cell(wanted, name)))),
          ),
        ),
      ),
      element("div", { class: "buttons" }, all, said),
      trouble,
    ),
    seen,
  );
  replace(seen, element("p", { class: "note" }, "Ask for something, and the way that your request took is drawn here."));

  for (const name of ["bearer", "cookie", "session"]) {
    store.watch(name, (credential) => {
      const running = name !== "session" || store.get("laboratory")?.session !== false;
      const none = running ? ["none yet ", button("log in", () => attempt(trouble, () => enter({ client, store }, name)), { class: "quiet", "aria-label": `Log in for a ${labelOf(name)}` })] : ["not running"];
      replace(held[name], ...(credential === null ? none : ["held"]));
      for (const { made, way } of buttons) {
        if (way === name) {
          made.disabled = !running;
        }
      }
    });
  }
}

function labelOf(way) {
  return WAYS.find(({ name }) => name === way)?.label;
}

function meaning(wanted, way, exchange) {
  if (problemOf(exchange) !== null) {
    return way === "none"
      ? "Without a credential the service refuses before it looks at anything else: the gateway lets everyone through, and no service trusts it to have checked."
      : "The service refuses, and says which check it was that failed.";
  }
  if (wanted.name === "place" && exchange.answer.json.delivery.status === "pending") {
    return "Orders checked the token, and could not learn the address: auth or profile is away. The order is placed all the same, with its address pending.";
  }
  if (wanted.name === "place") {
    return "Orders checked the token, exchanged it at auth for one that profile alone accepts, and asked profile for the address. Had auth or profile been away, the order would have been placed with its address pending.";
  }
  if (way === "session") {
    return "The session twin looked the id up in its store. A second server would have to share that store.";
  }
  if (way === "cookie") {
    return "The gateway took the token out of the cookie, and the service saw Authorization alone: it need not know that there are cookies.";
  }
  return "The service checked the token's signature and claims by itself, and looked in memory whether its login has ended. Nobody was asked.";
}

/** A table of the parts, with a bar for each on one scale. */
function shares({ spans, total }) {
  const WIDTH = 300;
  const scale = WIDTH / Math.max(total, 0.01);
  return scrolling(
    "How long each part took",
    element(
      "table",
      { class: "shares" },
      element("thead", {}, element("tr", {}, ...["part", "what it is", "began", "took", "of the whole"].map((head) => element("th", { scope: "col" }, head)))),
      element(
        "tbody",
        {},
        ...[{ name: "all", what: "as your browser measured it, the way there and back included", at: 0, took: total }, ...spans].map(({ name, what, at, took }) =>
          element(
            "tr",
            {},
            element("th", { scope: "row" }, element("code", {}, name)),
            element("td", {}, what),
            element("td", { class: "figure" }, milliseconds(at)),
            element("td", { class: "figure" }, milliseconds(took)),
            element(
              "td",
              {},
              drawn("svg", { class: "share", viewBox: `0 0 ${WIDTH} 12`, width: WIDTH, height: 12, "aria-hidden": "true" }, drawn("rect", { class: "track", width: WIDTH, height: 12, rx: 3 }), drawn("rect", { class: "bar", x: at * scale, width: Math.max(2, took * scale), height: 12, rx: 3 })),
            ),
          ),
        ),
      ),
    ),
  );
}
