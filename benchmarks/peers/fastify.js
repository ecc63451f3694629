// Fastify and fast-jwt: answers the caller's profile from the claims of the token.
//   node fastify.js PORT cached|uncached KEY_FILE ISSUER AUDIENCE
"use strict";
const { readFileSync } = require("node:fs");
const { createVerifier } = require("fast-jwt");
const fastify = require("fastify");

const [port, kind, keyFile, issuer, audience] = process.argv.slice(2);
const verify = createVerifier({
  key: readFileSync(keyFile, "utf8"),
  algorithms: ["RS256"],
  allowedIss: issuer,
  allowedAud: audience,
  cache: kind === "cached",
});

const app = fastify();
app.addHook("onRequest", async (request, reply) => {
  const [scheme, token] = (request.headers.authorization ?? "").split(" ");
  try {
    if (scheme !== "Bearer") throw new Error("no token");
    request.claims = verify(token);
  } catch {
    return reply.code(401).send();
  }
});
app.get("/api/profile", async (request) => {
  const { sub, name } = request.claims;
  return { display_name: null, bio: null, locale: null, delivery_address: null, sub, name };
});
app.listen({ port: Number(port), host: "127.0.0.1" });
