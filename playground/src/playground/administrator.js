/** An administrator's login, for the panel that needs one: a token for auth alone, kept in that panel's memory. */

import { problemOf } from "./client.js";

export class Administrator {
  #client;
  /** @type {{access: string, refresh: string}|null} */
  #tokens = null;

  /** @param {import("./client.js").Client} client */
  constructor(client) {
    this.#client = client;
  }

  /**
   * @param {string} email
   * @param {string} password
   * @returns {Promise<import("./client.js").Problem|null>}
   */
  async logIn(email, password) {
    const wish = { email, password, resource: "urn:signet:auth", scope: "keys:manage" };
    const entered = await this.#client.send({ method: "POST", path: "/login", json: wish });
    const problem = problemOf(entered);
    this.#tokens = problem === null ? held(entered.answer.json) : null;
    return problem;
  }

  /** Whether there is a login, as far as is known: one that has ended is let go of when auth says so. */
  get loggedIn() {
    return this.#tokens !== null;
  }

  /**
   * Ask auth as this administrator. The login outlives its token, also one that a compromised key has signed.
   *
   * @param {string} method
   * @param {string} path
   * @returns {Promise<import("./client.js").Exchange>}
   */
  async ask(method, path) {
    const asked = await this.#client.send({ method, path, token: this.#tokens.access });
    const reason = problemOf(asked)?.reason;
    if (reason === "login_ended") {
      this.#tokens = null;
    }
    if (!["expired", "key_revoked", "unknown_kid"].includes(reason)) {
      return asked;
    }
    const renewed = await this.#client.send({ method: "POST", path: "/refresh", json: { refresh_token: this.#tokens.refresh } });
    if (problemOf(renewed) !== null) {
      this.#tokens = problemOf(renewed).reason === "invalid_grant" ? null : this.#tokens;
      return renewed;
    }
    this.#tokens = held(renewed.answer.json);
    return this.#client.send({ method, path, token: this.#tokens.access });
  }
}

function held({ access_token: access, refresh_token: refresh }) {
  return { access, refresh };
}
