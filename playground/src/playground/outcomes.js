/** Says what became of each replay: in a word, and as a table. */

import { countdown } from "./countdown.js";
import { element, scrolling } from "./dom.js";

/** @typedef {import("./replays.js").Replays} Replays */

const KNOWS_BY = {
  profile: "the feed, in memory",
  orders: "the feed, in memory",
  auth: "its own record of the login",
  "session twin": "its store, at every request; the browser drops the cookie besides",
  "plain profile": "nothing: it waits for the expiry",
};

/**
 * @param {Replays} row
 * @returns {string} such as "refused, 12 ms after the log-out: login_ended"
 */
export function verdict(row) {
  const first = row.refusedFrom;
  if (first === undefined || row.loggedOut === null) {
    return "still accepted";
  }
  const after = first.at - row.loggedOut;
  const when = after < 0 ? "before the log-out was even answered" : `${after < 5000 ? `${after.toFixed(0)} ms` : `${(after / 1000).toFixed(0)} s`} after the log-out`;
  return `refused, ${when}${first.reason === null ? "" : `: ${first.reason}`}`;
}

/**
 * @param {Replays[]} rows
 * @param {number} expires when the token does, in milliseconds since the epoch
 */
export function outcomes(rows, expires) {
  const heads = ["who is asked", "how it knows of a log-out", "accepted", "refused", "what became of it"];
  return scrolling(
    "Who refused it, and when",
    element(
      "table",
      { class: "outcomes" },
      element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
      element(
        "tbody",
        {},
        ...rows.map((row) =>
          element(
            "tr",
            {},
            element("th", { scope: "row" }, row.name),
            element("td", {}, KNOWS_BY[row.name]),
            element("td", { class: "figure" }, String(row.count("accepted"))),
            element("td", { class: "figure" }, String(row.count("refused"))),
            element(
              "td",
              {},
              element("span", { class: row.refusedFrom === undefined ? "" : "verdict good" }, verdict(row)),
              row.loggedOut !== null && row.refusedFrom === undefined ? [", until it expires in ", countdown(expires)] : null,
            ),
          ),
        ),
      ),
    ),
  );
}
