/**
 * The three ways of being logged in: how each logs in, asks who one is, and logs out. Every function returns the
 * exchange that it is about.
 */

import { registered } from "./account.js";
import { problemOf } from "./client.js";

/** @typedef {import("./client.js").Exchange} Exchange */
/** @typedef {{client: import("./client.js").Client, store: import("./store.js").Store}} Context */

const TWIN = "/laboratory/session";

/** How the twin sets its cookie. No script is shown that header, and the twin answers without a body: so it stands here. */
const TWINS_COOKIE = "__Host-signet-twin=…; Max-Age=43200; Path=/; Secure; HttpOnly; SameSite=Lax";

/**
 * @typedef {object} Way
 * @property {"session"|"bearer"|"cookie"} name
 * @property {(context: Context, account: import("./account.js").Account) => Promise<Exchange>} logIn
 * @property {(context: Context) => Promise<Exchange>} profile
 * @property {(context: Context) => Promise<Exchange>} records what the server remembers of this person's logins
 * @property {(context: Context) => Promise<Exchange>} logOut
 */

/** Forget a credential that the server says is none any more. */
export function dropped(exchange, store, name) {
  if (exchange.answer?.status === 401) {
    store.set(name, null);
  }
  return exchange;
}

/** @type {Way} */
const session = {
  name: "session",
  async logIn({ client, store }, { email, password, name }) {
    const enter = () => client.send({ method: "POST", path: `${TWIN}/login`, way: "session", json: { email, password } });
    let entered = await enter();
    if (entered.answer?.status === 401) {
      // The twin has accounts of its own: whoever is not known there yet is registered, and tries again.
      await client.send({ method: "POST", path: `${TWIN}/register`, json: { email, password, name } });
      entered = await enter();
    }
    if (problemOf(entered) === null) {
      store.set("session", { since: Date.now(), setCookie: [TWINS_COOKIE] });
      entered.answer.fields.push({ name: "set-cookie", value: TWINS_COOKIE, by: "server", hidden: true });
    }
    return entered;
  },
  async profile({ client, store }) {
    return dropped(await client.send({ path: `${TWIN}/api/profile`, way: "session" }), store, "session");
  },
  async records({ client, store }) {
    return dropped(await client.send({ path: `${TWIN}/sessions`, way: "session" }), store, "session");
  },
  async logOut({ client, store }) {
    const left = await client.send({ method: "POST", path: `${TWIN}/logout`, way: "session" });
    if (left.answer !== null && left.answer.status < 500) {
      store.set("session", null);
    }
    return left;
  },
};

/** @type {Way} */
const bearer = {
  name: "bearer",
  async logIn({ client, store }, { email, password }) {
    const entered = await client.send({ method: "POST", path: "/login", json: { email, password } });
    if (problemOf(entered) === null) {
      store.set("bearer", held(entered.answer.json));
    }
    return entered;
  },
  profile: ({ client }) => client.send({ path: "/api/profile", way: "bearer" }),
  records: ({ client }) => client.send({ path: "/logins", way: "bearer" }),
  async logOut({ client, store }) {
    const { refresh } = store.get("bearer");
    const left = await client.send({ method: "POST", path: "/logout", json: { refresh_token: refresh } });
    if (problemOf(left) === null) {
      store.set("bearer", null);
    }
    return left;
  },
};

/** @type {Way} */
const cookie = {
  name: "cookie",
  async logIn({ client, store }, { email, password }) {
    const entered = await client.send({
      method: "POST",
      path: "/login",
      way: "cookie",
      json: { email, password, transport: "cookie" },
    });
    if (problemOf(entered) === null) {
      const { scope, set_cookie: setCookie, expires_in: life } = entered.answer.json;
      store.set("cookie", { since: Date.now(), scope, setCookie, life });
    }
    return entered;
  },
  async profile({ client, store }) {
    return dropped(await client.send({ path: "/api/profile", way: "cookie" }), store, "cookie");
  },
  async records({ client, store }) {
    return dropped(await client.send({ path: "/logins", way: "cookie" }), store, "cookie");
  },
  async logOut({ client, store }) {
    const left = await client.send({ method: "POST", path: "/logout", way: "cookie" });
    if (left.answer !== null && left.answer.status < 500) {
      store.set("cookie", null);
    }
    return left;
  },
};

export const WAYS = { session, bearer, cookie };

/**
 * Log in by one way, for panels that have no form: the account is the page's, made up if need be. Throws the problem if
 * it cannot be done.
 *
 * @param {Context} context
 * @param {"session"|"bearer"|"cookie"} name
 */
export async function enter(context, name) {
  const { account, problem } = await registered(context);
  const refusal = problem ?? problemOf(await WAYS[name].logIn(context, account));
  if (refusal !== null) {
    throw refusal;
  }
}

/** What the page keeps of an answer that has tokens in it. */
function held({ access_token: access, refresh_token: refresh, expires_in: life, scope }) {
  return { access, refresh, scope, expiresAt: Date.now() + life * 1000 };
}

/**
 * Get the next tokens for the bearer login.
 *
 * @param {Context} context
 * @returns {Promise<Exchange>}
 */
export async function renew({ client, store }) {
  const { refresh } = store.get("bearer");
  const renewed = await client.send({ method: "POST", path: "/refresh", json: { refresh_token: refresh } });
  if (problemOf(renewed) === null) {
    store.set("bearer", held(renewed.answer.json));
  } else if (problemOf(renewed).reason === "invalid_grant") {
    store.set("bearer", null);
  }
  return renewed;
}
