/**
 * Which of the laboratory's upstreams run beside the product: the session twin, and a service in plain mode, which does
 * not follow revocations. The index at `/` names those that do.
 *
 * @param {{client: import("./client.js").Client, store: import("./store.js").Store}} context
 */
export async function findLaboratory({ client, store }) {
  const { answer } = await client.send({ path: "/", headers: { Accept: "application/json" }, kept: false });
  const running = answer?.json?.laboratory ?? {};
  store.set("laboratory", { session: "session" in running, plain: "plain" in running });
  if (!("session" in running)) {
    store.set("session", null);
  }
}
