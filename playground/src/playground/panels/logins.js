/** Lists one's own logins, and the sessions at the session twin; ends one, or all of them. */

import { registered } from "../account.js";
import { problemOf } from "../client.js";
import { button, element, replace, scrolling } from "../dom.js";
import { attempt } from "../problem.js";
import { enter } from "../ways.js";

const WAYS = { bearer: "the bearer token", cookie: "the cookie" };

/**
 * @param {HTMLElement} section
 * @param {{client: import("../client.js").Client, store: import("../store.js").Store, explain: (problem: any) => HTMLElement}} context
 */
export function mount(section, context) {
  const { client, store, explain } = context;
  const said = element("p", { class: "note", role: "status" });
  const trouble = element("div", {});
  const list = element("div", { class: "card" });
  const sessions = element("div", { class: "card" });

  /** By which credential one's logins are asked for: the first that is held. */
  const way = () => (store.get("bearer") !== null ? "bearer" : store.get("cookie") !== null ? "cookie" : null);

  /** Send, show a refusal as what it is, and return the answer's document, or null. */
  async function ask(wish) {
    const exchange = await client.send(wish);
    const problem = problemOf(exchange);
    replace(trouble, problem && explain(problem));
    return problem === null ? (exchange.answer?.json ?? {}) : null;
  }

  async function show() {
    const by = way();
    if (by === null) {
      replace(list, element("h2", {}, "Logins"), element("p", {}, "You hold no token, and only its owner may see a list of logins."), element("div", { class: "buttons" }, button("Log in", () => begin("bearer"), { class: "first" })));
      return;
    }
    const found = await ask({ path: "/logins", way: by });
    if (found === null) {
      replace(list, element("h2", {}, "Logins"), element("p", {}, "They could not be listed. Try again, or ", element("a", { href: "#login" }, "log in again"), "."), element("div", { class: "buttons" }, button("List again", show)));
      return;
    }
    replace(
      list,
      element("h2", {}, `Logins, by ${WAYS[by]}`),
      rows("Your logins", ["device", "address", "began", "last renewed", ""], found.logins, (login) => [
        [device(login.device), login.current ? element("strong", {}, " this one") : null],
        element("code", {}, login.address),
        moment(new Date(login.created_at)),
        moment(new Date(login.last_used_at)),
        button("End", () => end(by, login), { "aria-label": `End the login that began at ${moment(new Date(login.created_at))}` }),
      ]),
      element(
        "div",
        { class: "buttons" },
        button("Log in once more, as another device would", another),
        button("End all of them", () => endAll(by), { class: "grave" }),
        button("List again", show),
      ),
    );
  }

  async function another() {
    await attempt(trouble, async () => {
      const { account, problem } = await registered(context);
      if (problem !== null) {
        throw problem;
      }
      const { email, password } = account;
      // Its tokens are let go at once: that a login goes on is auth's record, not what somebody holds.
      if ((await ask({ method: "POST", path: "/login", json: { email, password } })) !== null) {
        said.textContent = "There is one more login. This page has thrown its tokens away, and it goes on all the same.";
        await show();
      }
    });
  }

  async function end(by, login) {
    const ended = await ask({ method: "DELETE", path: `/logins/${encodeURIComponent(login.sid)}`, way: by });
    if (ended !== null) {
      said.textContent = told(ended);
      if (login.current) {
        store.set(by, null);
      }
      await show();
    }
  }

  async function endAll(by) {
    const ended = await ask({ method: "POST", path: "/logout/everywhere", way: by });
    if (ended !== null) {
      said.textContent = told(ended);
      store.set("bearer", null);
      store.set("cookie", null);
      await show();
    }
  }

  async function showSessions() {
    if (!store.get("laboratory")?.session) {
      sessions.hidden = true;
      return;
    }
    if (store.get("session") === null) {
      replace(sessions, element("h2", {}, "Sessions, at the session twin"), element("p", {}, "You hold no session. ", button("Begin one", () => begin("session"))));
      return;
    }
    const listed = await client.send({ path: "/laboratory/session/sessions", way: "session" });
    if (listed.answer?.status === 401) {
      store.set("session", null);
      return;
    }
    const problem = problemOf(listed);
    if (problem !== null) {
      replace(sessions, element("h2", {}, "Sessions, at the session twin"), explain(problem), element("div", { class: "buttons" }, button("List again", showSessions)));
      return;
    }
    const found = listed.answer.json;
    replace(
      sessions,
      element("h2", {}, "Sessions, at the session twin"),
      element("p", { class: "note" }, "Here the list is the session store itself: whoever ends a record ends the session, and there is nobody to tell."),
      rows("Your sessions", ["device", "began", "last used", ""], found.sessions, (session) => [
        [device(session.device), session.current ? element("strong", {}, " this one") : null],
        moment(new Date(session.began * 1000)),
        moment(new Date(session.used * 1000)),
        button("End", () => endSession(session), { "aria-label": `End the session that began at ${moment(new Date(session.began * 1000))}` }),
      ]),
    );
  }

  const begin = (by) => attempt(trouble, () => enter(context, by));

  async function endSession(session) {
    if ((await ask({ method: "DELETE", path: `/laboratory/session/sessions/${session.key}`, way: "session" })) !== null) {
      said.textContent = "The record is deleted, and with it the session.";
      if (session.current) {
        store.set("session", null);
      } else {
        await showSessions();
      }
    }
  }

  section.append(
    element(
      "p",
      { class: "prose" },
      "A token lives five minutes; the login that it belongs to goes on until it ends. Auth keeps the list of logins, and nobody else does. ",
      "When one ends, its id goes on the feed of revocations, and each service refuses every token of it within a second.",
    ),
    said,
    trouble,
    list,
    sessions,
  );
  for (const name of ["bearer", "cookie"]) {
    store.watch(name, show);
  }
  store.watch("session", showSessions);
}

/** What the answer to an ending says, in words. */
function told({ ended, seq }) {
  const what = ended === 1 ? "One login has ended" : `${ended} logins have ended`;
  return `${what}. Whoever has followed the feed to ${seq} refuses the tokens: every service, within a second.`;
}

function rows(title, heads, things, cells) {
  return scrolling(
    title,
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...heads.map((head) => (head === "" ? element("td", {}) : element("th", { scope: "col" }, head))))),
      element("tbody", {}, ...things.map((thing) => element("tr", {}, ...cells(thing).map((cell) => element("td", {}, cell))))),
    ),
  );
}

function moment(date) {
  return date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
}

/** A browser's own long name in a few words, the whole of it for who points at it; any other program's as it is. */
function device(agent) {
  const [, browser, version] = /(Firefox|Edg|OPR|HeadlessChrome|Chrome|Safari)\/(\d+)/.exec(agent) ?? [];
  const [system] = /Windows|Android|iPhone|iPad|Mac OS X|Linux/.exec(agent) ?? [];
  return browser === undefined ? agent : element("span", { title: agent }, `${browser} ${version}${system === undefined ? "" : ` on ${system}`}`);
}
