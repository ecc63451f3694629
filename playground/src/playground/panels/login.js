/** Panel: logging in three ways, side by side. */

import { madeUp, registered } from "../account.js";
import { problemOf } from "../client.js";
import { explainedCookie } from "../cookie_attributes.js";
import { button, element, replace } from "../dom.js";
import { WAYS } from "../ways.js";
import { wire } from "../wire.js";

const STORIES = {
  session: {
    title: "Session",
    idea: "The server keeps a record and gives the client its number.",
    client: (store) => [
      ["in the cookie jar", "an id of 43 random characters, which means nothing by itself"],
      ["a script reads", cookieJar()],
      ["every request takes", "about 65 bytes, added by the browser"],
    ],
    server: "One record for each session, looked up for each request. Whoever deletes it has logged out; whoever loses it has logged everybody out, and several servers have to share it.",
  },
  bearer: {
    title: "Token, as bearer",
    idea: "The server signs who this is, and forgets it. The client shows it itself.",
    client: (store) => [
      ["in this page's memory", "an access token and a refresh token; gone when the page is reloaded"],
      ["a script reads", `all of it: ${store.get("bearer")?.access.slice(0, 18) ?? ""}…`],
      ["every request takes", `${(store.get("bearer")?.access.length ?? 0) + 22} bytes, added by this page`],
    ],
    server: "Auth keeps that there is a login, and a hash of its refresh token. Profile and orders keep nothing: they have the public keys, and a list of the few logins that ended before their tokens did.",
  },
  cookie: {
    title: "Token, in a cookie",
    idea: "The same signed token, in an envelope that the browser carries and no script can open.",
    client: () => [
      ["in the cookie jar", "the access token and the refresh token, each in a cookie of its own"],
      ["a script reads", cookieJar()],
      ["every request takes", "about a kilobyte, added by the browser"],
    ],
    server: "The same as for the bearer token. The gateway takes the token out of the cookie and hands it on as Authorization, renews it unseen before it expires, and asks who wrote a request before it lets it change anything.",
  },
};

/** What scripts are shown of all cookies of this page: asked anew each time. */
function cookieJar() {
  return `nothing: document.cookie is "${document.cookie}"`;
}

/**
 * @param {HTMLElement} section
 * @param {import("../main.js").Context} context
 */
export function mount(section, context) {
  const { store } = context;
  const columns = Object.values(WAYS).map((way) => column(way, context));
  const all = button(
    "Log in all three ways",
    async () => {
      for (const { way, logIn } of columns) {
        if (way.name !== "session" || store.get("laboratory").session) {
          await logIn();
        }
      }
    },
    { class: "first" },
  );
  section.append(accountForm(context, all), element("div", { class: "ways" }, ...columns.map((each) => each.card)));
}

function accountForm({ store }, all) {
  const fields = {
    email: element("input", { type: "email", name: "email", autocomplete: "username", required: true }),
    password: element("input", { type: "text", name: "password", autocomplete: "off", required: true, minlength: "8" }),
    name: element("input", { type: "text", name: "name", autocomplete: "name", required: true }),
  };
  const fill = (account) => Object.entries(fields).forEach(([name, field]) => (field.value = account[name]));
  const typed = () => store.set("account", { ...Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value])), registered: false });
  if (store.get("account") === null) {
    store.set("account", madeUp());
  }
  fill(store.get("account"));
  const form = element(
    "form",
    { class: "card account", "aria-label": "Account" },
    element(
      "div",
      { class: "fields" },
      element("label", {}, "E-mail", fields.email),
      element("label", {}, "Password", fields.password),
      element("label", {}, "Name", fields.name),
    ),
    element(
      "div",
      { class: "buttons" },
      all,
      button("Make up another", () => {
        store.set("account", madeUp());
        fill(store.get("account"));
      }),
      element("span", { class: "note" }, "Made up, or type another: one that is not there yet is registered when it is first used, one that is there takes its own password."),
    ),
  );
  form.addEventListener("input", typed);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    all.click();
  });
  return form;
}

/** @param {import("../ways.js").Way} way */
function column(way, context) {
  const { store } = context;
  const story = STORIES[way.name];
  const said = element("div", { class: "said", role: "status" });
  const shown = element("div", { class: "stack" });
  const cookies = element("div", { class: "stack" });
  const holds = element("div", { class: "stack" });
  const remembers = element("div", { class: "stack" });

  async function logIn() {
    const { account, problem } = await registered(context);
    if (problem !== null) {
      replace(said, context.explain(problem));
      return;
    }
    const exchange = await way.logIn(context, account);
    show("Log in", exchange);
    if (problemOf(exchange) === null) {
      replace(said, verdict("Logged in."));
      await remember();
    }
  }

  function show(title, exchange) {
    const problem = problemOf(exchange);
    if (problem !== null) {
      replace(said, context.explain(problem));
    }
    replace(shown, element("h3", {}, `On the wire: ${title.toLowerCase()}`), wire(exchange));
  }

  async function callProfile() {
    const exchange = await way.profile(context);
    show("Call profile", exchange);
    if (problemOf(exchange) === null) {
      replace(said, verdict(`Profile answers: this is ${exchange.answer.json.name}.`));
    }
  }

  async function logOut() {
    const exchange = await way.logOut(context);
    show("Log out", exchange);
    if (problemOf(exchange) === null) {
      replace(said, verdict("Logged out."));
      replace(remembers);
    }
  }

  async function remember() {
    const { answer } = await way.records(context);
    const record = (answer?.json?.sessions ?? answer?.json?.logins ?? []).find((each) => each.current);
    replace(remembers, record && recordOf(record));
  }

  const buttons = {
    logIn: button("Log in", logIn),
    profile: button("Call profile", callProfile),
    logOut: button("Log out", logOut),
  };

  function follow(held) {
    buttons.profile.disabled = held === null;
    buttons.logOut.disabled = held === null;
    replace(
      cookies,
      way.name === "bearer" && held !== null && element("p", { class: "note" }, "No Set-Cookie: the tokens came in the body. Where they are kept, and with which request they go along, is this page's business, and no browser adds them by itself."),
      ...(held?.setCookie ?? []).map((line, index) =>
        element("details", { open: index === 0 }, element("summary", {}, element("code", {}, "Set-Cookie"), ` ${line.split("=")[0]}`), explainedCookie(line)),
      ),
    );
    replace(
      holds,
      held === null
        ? element("p", { class: "note" }, "Nothing.")
        : element("dl", { class: "terms" }, ...story.client(store).map(([term, text]) => element("div", {}, element("dt", {}, term), element("dd", {}, text)))),
    );
    if (held === null) {
      replace(remembers);
    }
  }

  const card = element(
    "article",
    { class: `card way way-${way.name}`, "aria-label": story.title },
    element("h2", {}, story.title),
    element("p", {}, story.idea),
    element("div", { class: "buttons" }, buttons.logIn, buttons.profile, buttons.logOut),
    said,
    shown,
    element("div", { class: "stack" }, element("h3", {}, "What the client holds"), holds),
    element("div", { class: "stack" }, element("h3", {}, "What the server holds"), element("p", { class: "note" }, story.server), remembers),
    cookies,
  );
  store.watch(way.name, follow);
  if (way.name !== "bearer" && store.get(way.name) !== null) {
    remember(); // from before the page was loaded: is it still so?
  }
  if (way.name === "session") {
    store.watch("laboratory", (laboratory) => {
      buttons.logIn.disabled = !laboratory?.session;
      if (!laboratory?.session) {
        replace(said, element("p", { class: "note" }, "The session twin, the same small app with sessions, does not run here. Start it too: ", element("code", {}, "make up LABORATORY=1"), "."));
      }
    });
  }
  return { way, card, logIn };
}

function verdict(text) {
  return element("p", { class: "verdict good" }, element("span", { "aria-hidden": "true" }, "✓"), text);
}

/** A login's record, as the server tells its owner. */
function recordOf(record) {
  const shown = Object.entries(record).filter(([name]) => name !== "current");
  return element(
    "dl",
    { class: "terms record" },
    ...shown.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, typeof value === "number" ? new Date(value * 1000).toISOString() : String(value)))),
  );
}
