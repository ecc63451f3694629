/**
 * The way that one request took, put together from its own answer: who spoke to whom, when, and how long each was at it.
 *
 * A process counts its parts from its own beginning. What lies between two processes is known in sum only, and half of it
 * is taken for the way there.
 */

import { milliseconds, partsOf } from "./timing.js";

/** @typedef {{at: number, from: string, to: string, label: string, note?: string, back?: boolean, refused?: boolean}} Step `at` in milliseconds */
/** @typedef {{name: string, what: string, at: number, took: number}} Span */
/** @typedef {{lanes: string[], steps: Step[], spans: Span[], total: number, told: boolean}} Journey */

const NAMES = { auth: "auth", profile: "profile", orders: "orders", session: "session twin" };

const CREDENTIALS = { bearer: "Authorization: Bearer …", cookie: "Cookie: the token", session: "Cookie: an id" };
const PASSED_ON = { bearer: "the token, untouched", cookie: "the token, as Authorization", session: "the cookie with the id" };
const NOTHING = "no credential";

const WHAT = {
  gateway: "the gateway: finds the service by the path, and streams both ways",
  renewal: "the gateway gets the login's next tokens from auth, because the one in the cookie is about to expire",
  upstream: "what it waits for the service, the way there and back included",
  auth: "auth, as a whole",
  profile: "profile, as a whole",
  orders: "orders, as a whole",
  session: "the session twin, as a whole",
  exchange: "orders gets a token for profile alone from auth, for its caller's",
  address: "orders asks profile for the address, with that token",
};

/**
 * @param {import("./client.js").Exchange} exchange
 * @param {string} service which one the path belongs to: a name of `NAMES`
 * @param {boolean} held whether there was a credential to send
 * @returns {Journey}
 */
export function journeyOf(exchange, service, held) {
  const parts = partsOf(exchange);
  const { request, answer, way } = exchange;
  const total = exchange.milliseconds;
  const gateway = parts.find(({ name }) => name === "gateway");
  // Whom the gateway asked before the service itself: auth, for the next tokens of a login in a cookie.
  const asked = parts.filter(({ name }) => name === "upstream");
  const upstream = asked.pop();
  const whole = parts.find(({ name, began }) => began === null && name in NAMES);
  const inside = whole === undefined ? [] : parts.slice(parts.indexOf(whole) + 1).filter(({ began }) => began !== null);
  const at = NAMES[whole?.name ?? service];
  const status = answer === null ? "no answer" : String(answer.status);
  const refused = answer === null || answer.status >= 400;
  const reason = answer?.problem?.reason;

  /** @type {Journey} */
  const journey = { lanes: ["browser", "gateway"], steps: [], spans: [], total, told: gateway !== undefined };
  const { steps, spans } = journey;
  function lane(name) {
    if (!journey.lanes.includes(name)) {
      journey.lanes.push(name);
    }
    return name;
  }

  steps.push({ at: 0, from: "browser", to: "gateway", label: `${request.method} ${request.path}`, note: held ? CREDENTIALS[way] : NOTHING });
  const opened = gateway === undefined ? 0 : between(total, gateway.took);
  if (gateway !== undefined) {
    spans.push({ name: "gateway", what: WHAT.gateway, at: opened, took: gateway.took });
  }
  for (const renewal of asked) {
    const at = opened + (renewal.began ?? 0);
    spans.push({ name: "renewal", what: WHAT.renewal, at, took: renewal.took });
    steps.push({ at, from: "gateway", to: lane("auth"), label: "renew this login" });
    steps.push({ at: at + renewal.took, from: "auth", to: "gateway", label: "the next tokens", back: true });
  }
  if (upstream !== undefined) {
    const sent = opened + (upstream.began ?? 0);
    steps.push({ at: sent, from: "gateway", to: lane(at), label: "the same request", note: held ? PASSED_ON[way] : NOTHING });
    spans.push({ name: "upstream", what: WHAT.upstream, at: sent, took: upstream.took });
    if (whole === undefined) {
      steps.push({ at: sent + upstream.took, from: at, to: "gateway", label: "nothing", back: true, refused: true });
    } else {
      const arrived = sent + between(upstream.took, whole.took);
      spans.push({ name: whole.name, what: WHAT[whole.name], at: arrived, took: whole.took });
      for (const part of inside) {
        const began = arrived + (part.began ?? 0);
        spans.push({ name: part.name, what: whatIs(part.name, way), at: began, took: part.took });
        tell(part, began, at, way, lane, steps);
      }
      steps.push({ at: arrived + whole.took, from: at, to: "gateway", label: status, note: reason, back: true, refused });
    }
  }
  steps.push({ at: total, from: "gateway", to: "browser", label: status, note: upstream === undefined ? reason : undefined, back: true, refused });
  return journey;
}

/** Half of what is left of a time when what happened at the other end is taken off. */
function between(outside, inside) {
  return Math.max(0, outside - inside) / 2;
}

function whatIs(name, way) {
  if (name === "verify") {
    return way === "session" ? "the session's record is looked up" : "the token is checked, without asking anyone";
  }
  return WHAT[name === "profile" ? "address" : name] ?? name;
}

function tell(part, began, at, way, lane, steps) {
  if (part.name === "verify") {
    steps.push({ at: began, from: at, to: at, label: way === "session" ? "looks the id up" : "checks the token", note: milliseconds(part.took) });
  } else if (part.name === "exchange") {
    steps.push({ at: began, from: at, to: lane("auth"), label: "exchange this token" });
    steps.push({ at: began + part.took, from: "auth", to: at, label: "one for profile alone", back: true });
  } else if (part.name === "profile") {
    steps.push({ at: began, from: at, to: lane("profile"), label: "whose address?", note: "the narrow token" });
    steps.push({ at: began + part.took, from: "profile", to: at, label: "the address", back: true });
  }
}
