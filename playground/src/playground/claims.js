/** What each member of a token says, and what it is for. docs/protocol.md has the rules. */

import { element } from "./dom.js";

const HEADER = {
  alg: "How it is signed. The verifier takes RS256 and nothing else, whatever stands here: a token has no say in how it is checked.",
  typ: "What kind of thing was signed: an access token (RFC 9068). The same key also signs the revocation feed, and one must not pass as the other.",
  kid: "Which key signed it: that key's RFC 7638 thumbprint, so that the name cannot be given to another key.",
};

const PAYLOAD = {
  iss: "Who issued it. A service believes one issuer.",
  sub: "Who this is: an opaque identifier, never an e-mail, which would change and would be read along the way.",
  aud: "Which services it is for. Each looks for its own name, and refuses what does not have it.",
  client_id: "Through which client. Where a service has exchanged the token, its name stands here.",
  iat: "When it was issued.",
  exp: "When it ends. Five minutes: that long it would live after a log-out if nobody followed the revocation feed.",
  jti: "Its own number, by which this one token can be revoked.",
  sid: "The login it belongs to. What a log-out ends is this, and with it all of its tokens.",
  auth_time: "When the password was given. What administrators do asks for less than 15 minutes.",
  scope: "What may be done with it. Less can be asked for at login, never more.",
  name: "To greet somebody without asking anyone.",
  act: "Which service acts for this person, after an exchange.",
};

const MOMENTS = new Set(["iat", "exp", "auth_time"]);

/** @param {Record<string, any>} header */
export const explainedHeader = (header) => table("Header", header, HEADER);

/** @param {Record<string, any>} payload */
export const explainedPayload = (payload) => table("Payload", payload, PAYLOAD);

function table(caption, members, meanings) {
  return element(
    "div",
    { class: `claims claims-${caption.toLowerCase()}` },
    element("h3", {}, caption),
    element(
      "dl",
      { class: "terms" },
      ...Object.entries(members).map(([name, value]) =>
        element(
          "div",
          {},
          element("dt", {}, `${name}: `, element("span", { class: "value" }, JSON.stringify(value)), MOMENTS.has(name) ? ` (${moment(value)})` : ""),
          element("dd", {}, meanings[name] ?? "Not one of Signet's claims."),
        ),
      ),
    ),
  );
}

function moment(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB");
}
