/** What the person holds at this moment: the three credentials, and how long each lasts. */

import { countdown } from "./countdown.js";
import { element, replace } from "./dom.js";

/**
 * @param {HTMLElement} place
 * @param {{store: import("./store.js").Store}} context
 */
export function showHoldings(place, { store }) {
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
  );
  const nothing = () => element("span", { class: "none" }, "none");
  store.watch("laboratory", () => store.get("session") === null && replace(rows.session, absent(store, nothing)));
  store.watch("session", (session) => replace(rows.session, session === null ? absent(store, nothing) : "an id, in a cookie"));
  store.watch("bearer", (bearer) => replace(rows.bearer, bearer === null ? nothing() : countdown(bearer.expiresAt)));
  store.watch("cookie", (cookie) => replace(rows.cookie, cookie === null ? nothing() : "renewed as you go"));
}

function absent(store, nothing) {
  return store.get("laboratory")?.session === false ? element("span", { class: "none" }, "not running") : nothing();
}
