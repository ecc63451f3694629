// Express 5 and jsonwebtoken: answers the caller's profile from the claims of the token.
//   node express.js PORT KIND KEY_FILE ISSUER AUDIENCE
// KIND: key_object and pem verify RS256 with a key that was read once, or with its PEM text at each request;
// secret is HS256 with a string, as the article has it.
"use strict";
const { createPublicKey } = require("node:crypto");
const { readFileSync } = require("node:fs");
const express = require("express");
const jwt = require("jsonwebtoken");

const [port, kind, keyFile, issuer, audience] = process.argv.slice(2);
const text = readFileSync(keyFile, "utf8");
const key = kind === "key_object" ? createPublicKey(text) : text;
const options = { algorithms: [kind === "secret" ? "HS256" : "RS256"], issuer, audience };

function authenticate(req, res, next) {
  const [scheme, token] = (req.headers.authorization ?? "").split(" ");
  if (scheme !== "Bearer" || !token) return res.sendStatus(401);
  jwt.verify(token, key, options, (error, claims) => {
    if (error) return res.sendStatus(401);
    req.claims = claims;
    next();
  });
}

const app = express();
app.get("/api/profile", authenticate, (req, res) => {
  const { sub, name } = req.claims;
  res.json({ display_name: null, bio: null, locale: null, delivery_address: null, sub, name });
});
app.listen(Number(port), "127.0.0.1");
