/**
 * Verifies a token here in the browser, with nothing but the JWK Set: to show that whoever has the public keys can. The
 * steps are the ones that a service takes, in its order; it knows one more, which logins have ended.
 */

import { bytesOf, takenApart } from "./jwt.js";

const ALGORITHM = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };

/** @typedef {{question: string, passed: boolean, answer: string}} Step */

/**
 * @param {string} token
 * @param {{keys: JsonWebKey[]}} keySet
 * @param {string} issuer
 * @param {string} audience
 * @returns {Promise<Step[]>} up to the first that failed
 */
export async function verified(token, keySet, issuer, audience) {
  /** @type {Step[]} */
  const steps = [];
  const ask = (question, passed, answer) => {
    steps.push({ question, passed, answer });
    return passed;
  };
  const read = takenApart(token);
  if (!ask("Can it be read?", read !== null, read === null ? "no" : "three parts, two of them JSON")) {
    return steps;
  }
  const { header, payload, parts } = read;
  const jwk = keySet.keys.find((key) => /** @type {any} */ (key).kid === header.kid);
  const now = Date.now() / 1000;
  if (
    ask("Is the algorithm RS256?", header.alg === "RS256", `alg is ${header.alg}`) &&
    ask("Is it an access token?", header.typ === "at+jwt", `typ is ${header.typ}`) &&
    ask("Is its key in the key set?", jwk !== undefined, jwk ? `kid ${header.kid.slice(0, 10)}…` : `nobody knows kid ${header.kid}`) &&
    ask("Does the signature fit?", await fits(parts, jwk), `${bytesOf(parts[2]).length * 8} bits over header and payload`) &&
    ask("Is it of this issuer?", payload.iss === issuer, payload.iss) &&
    ask(`Is it meant for ${audience}?`, [payload.aud].flat().includes(audience), [payload.aud].flat().join(", "))
  ) {
    ask("Is it still its time?", payload.exp > now, payload.exp > now ? `${Math.round(payload.exp - now)} seconds are left` : "no, it has expired");
  }
  return steps;
}

async function fits([header, payload, signature], jwk) {
  const key = await crypto.subtle.importKey("jwk", jwk, ALGORITHM, false, ["verify"]);
  return crypto.subtle.verify(ALGORITHM, key, bytesOf(signature), new TextEncoder().encode(`${header}.${payload}`));
}
