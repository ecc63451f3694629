/** Panel: the access token, taken apart, verified here, and forged. */

import { registered } from "../account.js";
import { explainedHeader, explainedPayload } from "../claims.js";
import { problemOf } from "../client.js";
import { countdown } from "../countdown.js";
import { button, element, replace } from "../dom.js";
import { forgeryTable } from "../forgery_table.js";
import { part, takenApart } from "../jwt.js";
import { fetchedKeySet } from "../key_set.js";
import { shownToAll, verdicts } from "../services.js";
import { verified } from "../verification.js";
import { WAYS, renew } from "../ways.js";

/**
 * @param {HTMLElement} section
 * @param {import("../main.js").Context} context
 */
export function mount(section, context) {
  const { store } = context;
  const said = element("div", { role: "status" });
  const body = element("div", { class: "panel" });

  async function logIn() {
    const { account, problem } = await registered(context);
    const refusal = problem ?? problemOf(await WAYS.bearer.logIn(context, account));
    replace(said, refusal && context.explain(refusal));
  }

  async function renewed() {
    const refusal = problemOf(await renew(context));
    replace(said, refusal && context.explain(refusal));
  }

  section.append(said, body);
  store.watch("bearer", (bearer) => {
    if (bearer === null) {
      replace(
        body,
        element(
          "div",
          { class: "card" },
          element("p", {}, "You hold no bearer token. A token in a cookie would not do: no script can read that, and so this page cannot show it."),
          element("div", { class: "buttons" }, button("Log in for a token", logIn, { class: "first" })),
        ),
      );
      return;
    }
    replace(
      body,
      whole(bearer, button("Renew it", renewed)),
      meanings(bearer.access),
      verification(context, bearer.access),
      editing(context, bearer.access),
      forgeryTable(context, bearer.access),
    );
  });
}

function whole(bearer, renewal) {
  const [header, payload, signature] = bearer.access.split(".");
  return element(
    "div",
    { class: "card" },
    element("h2", {}, "As it travels"),
    element(
      "p",
      { class: "token-text" },
      element("span", { class: "token-header" }, header),
      ".",
      element("span", { class: "token-payload" }, payload),
      ".",
      element("span", { class: "token-signature" }, signature),
    ),
    element(
      "p",
      { class: "note" },
      `${bearer.access.length} characters: `,
      element("span", { class: "token-header" }, "header"),
      ", ",
      element("span", { class: "token-payload" }, "payload"),
      " and ",
      element("span", { class: "token-signature" }, "signature"),
      ". The first two are encoded, not encrypted: whoever sees it can read it.",
    ),
    element("div", { class: "buttons" }, element("p", {}, "Time left: ", element("strong", {}, countdown(bearer.expiresAt))), renewal),
  );
}

function meanings(token) {
  const { header, payload } = takenApart(token);
  return element("div", { class: "card halves" }, explainedHeader(header), explainedPayload(payload));
}

function verification(context, token) {
  const steps = element("ol", { class: "steps" });
  const said = element("div", { class: "stack", role: "status" });
  async function verify() {
    const { keySet, exchange } = await fetchedKeySet(context);
    if (keySet === null) {
      replace(said, context.explain(problemOf(exchange)));
      return;
    }
    const taken = await verified(token, keySet, takenApart(token).payload.iss, "urn:signet:orders");
    replace(
      steps,
      ...taken.map(({ question, passed, answer }) =>
        element(
          "li",
          {},
          element("span", { class: `verdict ${passed ? "good" : "bad"}` }, element("span", { "aria-hidden": "true" }, passed ? "✓" : "✗"), question),
          element("span", { class: "note" }, ` ${passed ? "Yes" : "No"}: ${answer}.`),
        ),
      ),
    );
    replace(said, element("p", {}, taken.every((step) => step.passed) ? "It is good, as far as anybody can tell who has the key set." : "It is not good."));
  }
  return element(
    "div",
    { class: "card" },
    element("h2", {}, "Verified here"),
    element(
      "p",
      { class: "prose" },
      "Whoever has the public keys can verify: this page too, with the browser's own WebCrypto and nothing but the JWK Set. That is all a service does as well, once for each token, without asking anyone. ",
      "One question it cannot answer from the token: whether the login has ended since. For that, services follow the revocation feed.",
    ),
    element("div", { class: "buttons" }, button("Fetch the key set and verify", verify)),
    said,
    steps,
  );
}

function editing(context, token) {
  const { payload, parts } = takenApart(token);
  const text = element("textarea", { rows: "12", spellcheck: "false" });
  text.value = JSON.stringify(payload, null, 2);
  const said = element("div", { class: "stack", role: "status" });
  async function send() {
    let claims;
    try {
      claims = JSON.parse(text.value);
    } catch (error) {
      replace(said, context.explain({ title: "This is no JSON", reason: "malformed", detail: String(error) }));
      return;
    }
    replace(said, verdicts(await shownToAll(context.client, [parts[0], part(claims), parts[2]].join("."))));
  }
  return element(
    "div",
    { class: "card" },
    element("h2", {}, "Change it"),
    element("p", { class: "prose" }, "Anybody can write another payload. The signature stays that of the old one, because only auth holds the key that could make a new one. Give yourself another name, and see who believes it."),
    element("label", {}, "The payload", text),
    element("div", { class: "buttons" }, button("Send it to every service", send)),
    said,
  );
}
