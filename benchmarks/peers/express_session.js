// Express 5 and express-session: answers the caller's profile from the session.
//   node express_session.js PORT SUBJECT NAME [REDIS_PORT]
// Sessions are in memory, or in Redis when its port is given. POST /login logs SUBJECT in.
"use strict";
const express = require("express");
const session = require("express-session");

async function main() {
  const [port, sub, name, redisPort] = process.argv.slice(2);
  let store;
  if (redisPort) {
    const { createClient } = require("redis");
    const { RedisStore } = require("connect-redis");
    const client = createClient({ url: `redis://127.0.0.1:${redisPort}` });
    await client.connect();
    store = new RedisStore({ client });
  }
  const app = express();
  app.use(session({ secret: "benchmark", resave: false, saveUninitialized: false, store }));
  app.post("/login", (req, res) => {
    req.session.user = { sub, name };
    res.sendStatus(204);
  });
  app.get("/api/profile", (req, res) => {
    if (!req.session.user) return res.sendStatus(401);
    res.json({ display_name: null, bio: null, locale: null, delivery_address: null, ...req.session.user });
  });
  app.listen(Number(port), "127.0.0.1");
}

main();
