/** The life of each key on one axis of time: what it has been, what it is, and what becomes of it. */

import { spoken } from "./countdown.js";
import { element } from "./dom.js";

/** @typedef {{kid: string, state: string, since: string, next: {state: string, at: string, possible_at: string}|null}} ListedKey */

const MEANINGS = {
  active: "Signs every new token.",
  pending: "In the key set, so that every verifier can learn of it. It may not sign yet.",
  retiring: "Signs no more. It stays in the key set until no token of its can be alive.",
  removed: "Gone from the key set. Nothing it has signed was still alive by then.",
  compromised: "Gone at once, and on the revocation feed: every token of its is refused, everywhere, within a second.",
};

const ENDED = new Set(["removed", "compromised"]);

/**
 * @param {ListedKey[]} keys
 * @param {(key: ListedKey) => HTMLElement|null} action what can be done about a key
 * @returns {HTMLElement}
 */
export function keyTimeline(keys, action) {
  const now = Date.now();
  const moments = keys.flatMap(({ since, next }) => [Date.parse(since), next === null ? now : Date.parse(next.at)]);
  const from = Math.min(...moments, now - 60_000);
  const until = Math.max(...moments, now + 60_000);
  const reach = (until - from) * 1.12;
  const at = (moment) => ((moment - from) / reach) * 100;

  function bar(state, begin, end, foreseen) {
    const piece = element("span", { class: `life life-${state}${foreseen ? " foreseen" : ""}` });
    piece.style.setProperty("inset-inline-start", `${at(begin)}%`);
    piece.style.setProperty("inline-size", `${Math.max(at(end) - at(begin), 0.6)}%`);
    return piece;
  }

  function row(key) {
    const since = Date.parse(key.since);
    const ahead = key.next === null ? null : Date.parse(key.next.at);
    const pieces = [];
    if (!ENDED.has(key.state)) {
      pieces.push(bar(key.state, since, now, false));
      if (ahead !== null) {
        pieces.push(bar(key.state, now, ahead, true), bar(key.next.state, ahead, from + reach, true));
      }
    } else {
      pieces.push(bar(key.state, since, from + reach, false));
    }
    const mark = element("span", { class: "now" });
    mark.style.setProperty("inset-inline-start", `${at(now)}%`);
    return element(
      "li",
      {},
      element("p", { class: "key-head" }, element("span", { class: `state state-${key.state}` }, key.state), " ", element("code", { title: key.kid }, `${key.kid.slice(0, 12)}…`), " ", action(key)),
      element("div", { class: "track", "aria-hidden": "true" }, ...pieces, mark),
      element("p", { class: "note" }, `${MEANINGS[key.state]} Since ${clock(since)}. ${ahead === null ? "" : foretold(key.next, ahead, now)}`),
    );
  }

  return element(
    "div",
    { class: "stack" },
    element("ol", { class: "key-lives" }, ...inOrder(keys).map(row)),
    element("p", { class: "axis note", "aria-hidden": "true" }, element("span", {}, clock(from)), element("span", {}, clock(until))),
    element("p", { class: "note" }, "The thin upright line is now; what is paler lies ahead."),
  );
}

/** What signs stands first, what is over last. */
function inOrder(keys) {
  const rank = Object.keys(MEANINGS);
  return [...keys].sort((one, other) => rank.indexOf(one.state) - rank.indexOf(other.state));
}

function foretold(next, ahead, now) {
  const possible = Date.parse(next.possible_at);
  const sooner = possible < ahead && next.state !== "removed" ? ` An administrator can have it so ${possible <= now ? "at once" : `in ${spoken((possible - now) / 1000)}`}.` : "";
  return ahead <= now ? `Becomes ${next.state} now.` : `Becomes ${next.state} in ${spoken((ahead - now) / 1000)}.${sooner}`;
}

function clock(moment) {
  return new Date(moment).toLocaleString("en-GB", { weekday: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
}
