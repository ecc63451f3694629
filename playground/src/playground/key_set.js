/** Fetches the JWK Set, as any service would. */

import { problemOf } from "./client.js";

/**
 * @param {{client: import("./client.js").Client, store: import("./store.js").Store}} context
 * @returns {Promise<{keySet: {keys: JsonWebKey[]}|null, exchange: import("./client.js").Exchange}>}
 */
export async function fetchedKeySet({ client, store }) {
  const exchange = await client.send({ path: "/.well-known/jwks.json" });
  const keySet = problemOf(exchange) === null ? exchange.answer.json : null;
  if (keySet !== null) {
    store.set("keySet", keySet);
  }
  return { keySet, exchange };
}
