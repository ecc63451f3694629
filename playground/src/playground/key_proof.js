/** Tokens from before and after a change of keys, and whether profile still takes each: the proof of what a change does. */

import { registered } from "./account.js";
import { problemOf } from "./client.js";
import { element, replace, scrolling } from "./dom.js";
import { takenApart } from "./jwt.js";

export class KeyProof {
  #context;
  /** @type {{label: string, kid: string, token: string, cell: HTMLElement}[]} */
  #tokens = [];
  #body = element("tbody", {});

  /** @param {import("./main.js").Context} context */
  constructor(context) {
    this.#context = context;
    this.view = scrolling("Tokens, and whether they still work");
    this.view.hidden = true;
    this.view.append(
      element(
        "table",
        { class: "proof" },
        element("thead", {}, element("tr", {}, ...["token", "signed by", "profile says"].map((title) => element("th", { scope: "col" }, title)))),
        this.#body,
      ),
    );
  }

  /**
   * Log in for one more token. Returns the problem, if there was one.
   *
   * @param {string} label
   */
  async take(label) {
    const { client } = this.#context;
    const { account, problem } = await registered(this.#context);
    if (problem !== null) {
      return problem;
    }
    const { email, password } = account;
    const entered = await client.send({ method: "POST", path: "/login", json: { email, password } });
    const refusal = problemOf(entered);
    if (refusal === null) {
      const token = entered.answer.json.access_token;
      const cell = element("td", {});
      this.#tokens.push({ label, kid: takenApart(token).header.kid, token, cell });
      this.view.hidden = false;
      this.#body.append(element("tr", {}, element("th", { scope: "row" }, label), element("td", {}, element("code", {}, `${takenApart(token).header.kid.slice(0, 12)}…`)), cell));
    }
    return refusal;
  }

  /** Let profile say of each token whether it is good. */
  async check() {
    for (const { token, cell } of this.#tokens) {
      const asked = await this.#context.client.send({ path: "/api/profile", token });
      const problem = problemOf(asked);
      replace(
        cell,
        problem === null
          ? element("span", { class: "verdict good" }, `${asked.answer.status} good`)
          : element("span", { class: "verdict bad" }, `${problem.status ?? ""} `, element("code", { class: "reason" }, problem.reason)),
      );
    }
  }
}
