/** Tokens that should get nobody in, ready to be tried. Each is made of the genuine token and what anybody can know. */

import { base64url, part, takenApart } from "./jwt.js";

/**
 * @typedef {object} Forgery
 * @property {string} title
 * @property {string} idea what its maker hopes for
 * @property {(genuine: string, means: Means) => Promise<string>} make
 */
/**
 * What a forger has: the public keys, and an account of their own.
 *
 * @typedef {{keySet: {keys: JsonWebKey[]}, logIn: (wishes: object) => Promise<{access_token: string, refresh_token: string}>, logOut: (token: string) => Promise<void>}} Means
 */

const RSA = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };

/** @type {Forgery[]} */
export const FORGERIES = [
  {
    title: "No signature at all",
    idea: "“alg”: “none” once made libraries skip the check.",
    async make(genuine) {
      const { header, parts } = takenApart(genuine);
      return `${part({ ...header, alg: "none" })}.${parts[1]}.`;
    },
  },
  {
    title: "Signed with the public key",
    idea: "HS256 with the published key as the secret: works wherever a token may choose its algorithm.",
    async make(genuine, { keySet }) {
      const { header, parts } = takenApart(genuine);
      const jwk = keySet.keys.find((key) => /** @type {any} */ (key).kid === header.kid);
      const published = await crypto.subtle.importKey("jwk", jwk, RSA, true, ["verify"]);
      const encoded = btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.exportKey("spki", published))));
      const pem = `-----BEGIN PUBLIC KEY-----\n${encoded.match(/.{1,64}/g).join("\n")}\n-----END PUBLIC KEY-----\n`;
      const secret = await crypto.subtle.importKey("raw", bytes(pem), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
      const signed = `${part({ ...header, alg: "HS256" })}.${parts[1]}`;
      return `${signed}.${base64url(await crypto.subtle.sign("HMAC", secret, bytes(signed)))}`;
    },
  },
  {
    title: "An administrator by one's own hand",
    idea: "Another scope in the payload, under the old signature.",
    make: async (genuine) => changed(genuine, (payload) => ({ ...payload, scope: `${payload.scope} keys:manage` })),
  },
  {
    title: "A year longer",
    idea: "Another expiry, under the old signature.",
    make: async (genuine) => changed(genuine, (payload) => ({ ...payload, exp: payload.exp + 365 * 86400 })),
  },
  {
    title: "Signed with a key of one's own",
    idea: "Under the name of the genuine key.",
    make: async (genuine) => signedAnew(genuine, (header) => header),
  },
  {
    title: "… and under a name of its own",
    idea: "Perhaps the service fetches whatever key is asked for.",
    make: async (genuine) => signedAnew(genuine, (header) => ({ ...header, kid: base64url(crypto.getRandomValues(new Uint8Array(32))) })),
  },
  {
    title: "… and brought along",
    idea: "The key in the token's own header, as “jwk”: whoever believes it checks the forger's word against the forger's word.",
    make: async (genuine) => signedAnew(genuine, (header, jwk) => ({ ...header, jwk })),
  },
  {
    title: "Of another kind",
    idea: "“typ”: “JWT”: so a signed thing of one kind passes as one of another.",
    async make(genuine) {
      const { header, parts } = takenApart(genuine);
      return [part({ ...header, typ: "JWT" }), parts[1], parts[2]].join(".");
    },
  },
  {
    title: "Another spelling",
    idea: "The same bytes with padding behind: a list of denied strings would not know it.",
    make: async (genuine) => `${genuine}==`,
  },
  {
    title: "Genuine, for profile alone",
    idea: "No forgery: logged in with resource=urn:signet:profile. Whoever steals it from profile cannot use it elsewhere.",
    make: async (_, { logIn }) => (await logIn({ resource: "urn:signet:profile" })).access_token,
  },
  {
    title: "Genuine, of a login that has ended",
    idea: "No forgery either: logged in, saved, logged out. This is the one that a plain JWT service lets in.",
    async make(_, { logIn, logOut }) {
      const { access_token: saved } = await logIn({});
      await logOut(saved);
      return saved;
    },
  },
  {
    title: "The refresh token in its place",
    idea: "It is a secret too, after all.",
    make: async (_, { logIn }) => (await logIn({})).refresh_token,
  },
];

/**
 * Change a token's payload and leave its signature as it was.
 *
 * @param {string} token
 * @param {(payload: Record<string, any>) => Record<string, any>} change
 */
export function changed(token, change) {
  const { payload, parts } = takenApart(token);
  return [parts[0], part(change(payload)), parts[2]].join(".");
}

/** Sign with a key pair made just now; `rename` returns the header, from the genuine one and the public half. */
async function signedAnew(genuine, rename) {
  const { header, parts } = takenApart(genuine);
  const pair = await crypto.subtle.generateKey(
    { ...RSA, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
    true,
    ["sign", "verify"],
  );
  const { kty, n, e } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const signed = `${part(rename(header, { kty, n, e }))}.${parts[1]}`;
  return `${signed}.${base64url(await crypto.subtle.sign(RSA, pair.privateKey, bytes(signed)))}`;
}

function bytes(text) {
  return new TextEncoder().encode(text);
}
