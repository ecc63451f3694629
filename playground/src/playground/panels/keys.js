/** Panel: the key set that everyone gets, and, for administrators, the life of its keys. */

import { Administrator } from "../administrator.js";
import { problemOf } from "../client.js";
import { busy, button, element, replace, scrolling } from "../dom.js";
import { bytesOf, takenApart } from "../jwt.js";
import { KeyProof } from "../key_proof.js";
import { fetchedKeySet } from "../key_set.js";
import { keyTimeline } from "../key_timeline.js";

/** How long after its announcement a compromised key is certainly refused everywhere. */
const KNOWN_EVERYWHERE = 1000;

/**
 * @param {HTMLElement} section
 * @param {import("../main.js").Context} context
 */
export async function mount(section, context) {
  const set = keySetCard(context);
  section.append(set.card, lifeCard(context, set.refresh));
  await set.refresh();
}

function keySetCard(context) {
  const { store } = context;
  const body = element("tbody", {});
  const about = element("p", { class: "note" });
  const said = element("div", { role: "status" });

  function render() {
    const bearer = store.get("bearer");
    const mine = bearer === null ? null : takenApart(bearer.access).header.kid;
    replace(
      body,
      ...(store.get("keySet")?.keys ?? []).map((key) =>
        element(
          "tr",
          {},
          element("th", { scope: "row" }, element("code", { class: "kid" }, key.kid)),
          element("td", {}, `${key.kty}, ${bytesOf(key.n).length * 8} bits`),
          element("td", {}, `${key.alg}, use=${key.use}`),
          element("td", {}, mine === key.kid ? "signed the token you hold" : ""),
        ),
      ),
    );
  }

  async function refresh() {
    const { keySet, exchange } = await fetchedKeySet(context);
    const problem = problemOf(exchange);
    replace(said, problem && context.explain(problem));
    if (keySet !== null) {
      const field = (name) => exchange.answer.fields.find((each) => each.name === name)?.value ?? "none";
      about.textContent = `Cache-Control: ${field("cache-control")}. ETag: ${field("etag")}.`;
    }
  }

  store.watch("keySet", render);
  store.watch("bearer", render);
  const card = element(
    "div",
    { class: "card" },
    element("h2", {}, "The key set, as everyone gets it"),
    element("p", { class: "prose" }, "Public halves only: with these one can verify, and nothing else. Services fetch it in the background, so no request ever waits for it, and keep the last good one for an hour if auth is away. A key's name, kid, is its thumbprint."),
    said,
    scrolling(
      "The key set",
      element("table", { class: "key-set" }, element("thead", {}, element("tr", {}, ...["kid", "key", "for", "token"].map((title) => element("th", { scope: "col" }, title)))), body),
    ),
    about,
    element("div", { class: "buttons" }, button("Fetch it again", refresh)),
  );
  return { card, refresh };
}

function lifeCard(context, refreshKeySet) {
  const administrator = new Administrator(context.client);
  const proof = new KeyProof(context);
  const said = element("div", { role: "status", class: "stack" });
  const life = element("div", { class: "stack" });
  const rotation = button("Rotate now", rotate, { class: "first" });
  const actions = element("div", { class: "buttons", hidden: true }, rotation, button("Look again", list));

  function tell(problem) {
    replace(said, problem && context.explain(problem));
    form.hidden = administrator.loggedIn;
    if (!administrator.loggedIn) {
      actions.hidden = true;
      replace(life);
    }
    return problem !== null;
  }

  const form = loginForm(administrator, tell, list);

  async function list() {
    const listed = await administrator.ask("GET", "/admin/keys");
    if (!tell(problemOf(listed))) {
      actions.hidden = false;
      replace(life, keyTimeline(listed.answer.json.keys, compromiseButton));
    }
  }

  /** Change the keys, with a token from before and one from after. */
  async function change(before, path, after, { wait = 0 } = {}) {
    if (tell(await proof.take(before))) {
      return;
    }
    const changed = await administrator.ask("POST", path);
    const problem = problemOf(changed);
    if (!administrator.loggedIn) {
      tell(problem);
      return;
    }
    if (problem === null) {
      await new Promise((resolve) => setTimeout(resolve, wait));
      if (tell(await proof.take(after))) {
        return;
      }
    }
    await proof.check();
    await list();
    await refreshKeySet();
    if (problem === null) {
      replace(said, element("p", {}, element("span", { class: "verdict good" }, "Done."), ` ${changed.answer.json.active.slice(0, 12)}… signs now, ${changed.answer.json.pending.slice(0, 12)}… stands ready.`));
    } else {
      tell(problem);
    }
  }

  function rotate() {
    return change("before the rotation", "/admin/keys/rotate", "after the rotation");
  }

  function compromiseButton(key) {
    if (["removed", "compromised"].includes(key.state)) {
      return null;
    }
    const short = key.kid.slice(0, 12);
    const asked = element("span", { class: "confirm" });
    const first = button("Compromised …", () => {
      replace(
        asked,
        " Every token it has signed ends. ",
        button("Yes, end them", () => change("before it was compromised", `/admin/keys/${key.kid}/compromise`, "after it was compromised", { wait: KNOWN_EVERYWHERE }), { class: "grave quiet" }),
        " ",
        button("No", () => {
          replace(asked, first);
          first.focus();
        }, { class: "quiet" }),
      );
      asked.querySelector("button").focus();
    }, { class: "quiet", "aria-label": `Compromised: key ${short}` });
    asked.append(first);
    return asked;
  }

  return element(
    "div",
    { class: "card" },
    element("h2", {}, "The life of each key"),
    element("p", { class: "prose" }, "A key is pending until every verifier can have it, then it signs for a day, then it stays until its last token is over. Code enforces that order, also against an administrator in a hurry."),
    form,
    said,
    actions,
    life,
    proof.view,
  );
}

function loginForm(administrator, tell, list) {
  const email = element("input", { type: "email", autocomplete: "username", required: true });
  const password = element("input", { type: "password", autocomplete: "current-password", required: true });
  const enter = element("button", { type: "submit" }, "Log in as administrator");
  const form = element(
    "form",
    { class: "stack", "aria-label": "Administrator" },
    element("p", { class: "note" }, "Where each key stands is for administrators to see. The first one is made by a command: ", element("code", {}, ".venv/bin/signet admin create --email root@example.com --name Root"), ", or with containers ", element("code", {}, "docker compose exec auth python -m auth_service create-admin --email root@example.com --name Root"), "."),
    element("div", { class: "fields" }, element("label", {}, "Administrator's e-mail", email), element("label", {}, "Administrator's password", password)),
    element("div", { class: "buttons" }, enter),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(enter, async () => {
      if (!tell(await administrator.logIn(email.value, password.value))) {
        await list();
      }
    });
  });
  return form;
}
