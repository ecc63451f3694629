/** The three that verify tokens, and what each says to one. */

import { element } from "./dom.js";
import { meaningOf } from "./problem.js";
import { problemOf } from "./client.js";

export const SERVICES = [
  { name: "profile", path: "/api/profile" },
  { name: "orders", path: "/api/orders" },
  { name: "auth", path: "/logins" },
];

/**
 * Show a token to each service.
 *
 * @param {import("./client.js").Client} client
 * @param {string} token
 * @returns {Promise<import("./client.js").Exchange[]>} in the order of SERVICES
 */
export function shownToAll(client, token) {
  return Promise.all(SERVICES.map(({ path }) => client.send({ path, token })));
}

/** @param {import("./client.js").Exchange} exchange */
export function verdictOf(exchange) {
  const problem = problemOf(exchange);
  if (problem === null) {
    return element("span", { class: "verdict" }, `${exchange.answer.status} lets it in`);
  }
  return element("span", { class: "verdict" }, `${problem.status ?? ""} `, element("code", { class: "reason" }, problem.reason));
}

/**
 * Say in full what the services answered: each one's verdict, and each reason's meaning once.
 *
 * @param {import("./client.js").Exchange[]} exchanges
 */
export function verdicts(exchanges) {
  const reasons = new Map(exchanges.map(problemOf).filter(Boolean).map((problem) => [problem.reason, problem]));
  return element(
    "div",
    { class: "stack" },
    element(
      "dl",
      { class: "verdicts" },
      ...exchanges.map((exchange, index) => element("div", {}, element("dt", {}, SERVICES[index].name), element("dd", {}, verdictOf(exchange)))),
    ),
    ...[...reasons.values()].map((problem) => element("p", { class: "note" }, element("code", {}, problem.reason), `: ${problem.detail} ${meaningOf(problem.reason) ?? ""}`)),
  );
}
