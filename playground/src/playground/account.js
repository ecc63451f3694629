/** The account that this page logs in: a made-up one, unless a person types another. */

import { problemOf } from "./client.js";

/** @typedef {{email: string, password: string, name: string, registered: boolean}} Account */

function made(bytes) {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @returns {Account} */
export function madeUp() {
  return { email: `ada.${made(3)}@example.com`, password: `correct horse ${made(4)}`, name: "Ada", registered: false };
}

/**
 * Return the account, registered; one that is there already is as good. A refusal is returned instead.
 *
 * @param {{client: import("./client.js").Client, store: import("./store.js").Store}} context
 * @returns {Promise<{account: Account, problem: import("./client.js").Problem|null}>}
 */
export async function registered({ client, store }) {
  const account = store.get("account") ?? madeUp();
  if (!account.registered) {
    const { email, password, name } = account;
    const problem = problemOf(await client.send({ method: "POST", path: "/register", json: { email, password, name } }));
    if (problem !== null && problem.reason !== "email_taken") {
      return { account, problem };
    }
    account.registered = true;
  }
  store.set("account", account);
  return { account, problem: null };
}
