/** What the person holds at this moment: the three credentials, and how long each lasts. */

import { countdown } from "./countdown.js";
import { problemOf } from "./client.js";
import { button, element, replace } from "./dom.js";
import { renew } from "./ways.js";

/**
 * @param {HTMLElement} place
 * @param {import("./main.js").Context} context
 */
export function showHoldings(place, context) {
  const { store } = context;
  const said = element("div", { role: "status" });
  const rows = {
    session: element("dd", {}),
    bearer: element("dd", {}),
    cookie: element("dd", {}),
  };
  replace(
    place,
    element(
      "dl",
      {},
      element("div", {}, element("dt", {}, "Session"), rows.session),
      element("div", {}, element("dt", {}, "Bearer token"), rows.bearer),
      element("div", {}, element("dt", {}, "Token in a cookie"), rows.cookie),
    ),
    said,
  );
  const nothing = () => element("span", { class: "none" }, "none");
  store.watch("laboratory", () => store.get("session") === null && replace(rows.session, absent(store, nothing)));
  store.watch("session", (session) => replace(rows.session, session === null ? absent(store, nothing) : "an id, in a cookie"));
  // Always at hand: whoever reads for five minutes holds a token that is over, whatever panel that happens on.
  const renewal = button("Renew", async () => {
    const refusal = problemOf(await renew(context));
    replace(said, refusal && context.explain(refusal));
  }, { class: "quiet", "aria-label": "Renew the bearer token" });
  store.watch("bearer", (bearer) => replace(rows.bearer, bearer === null ? nothing() : [countdown(bearer.expiresAt), " ", renewal]));
  store.watch("cookie", (cookie) => replace(rows.cookie, cookie === null ? nothing() : "renewed as you go"));
}

function absent(store, nothing) {
  return store.get("laboratory")?.session === false ? element("span", { class: "none" }, "not running") : nothing();
}
