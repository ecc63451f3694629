/** Shows a refusal as what it is: its status, its stable reason, its sentence, and what that means here. */

import { element, replace } from "./dom.js";

/** What a reason means to a person who sees it for the first time; docs/protocol.md lists all of them. */
const MEANINGS = {
  audience_too_wide: "Administrators' endpoints take a token for auth alone, so that no service that gets one can use it here.",
  bad_signature: "The signature does not fit the bytes before it: something was changed, or another key signed it.",
  cross_site: "The browser said that another site's page sent this. A cookie goes along by itself, so the gateway asks who wrote the request.",
  expired: "Its time is over. A service needs nobody's word for that: it reads the time in the token.",
  insufficient_scope: "The token is good, but does not allow this. That is 403, and no other token of this account would help.",
  invalid_request: "Two credentials at once, or one twice: nobody can tell which was meant, and nobody guesses.",
  insufficient_user_authentication: "The password was given too long ago for an act of this weight.",
  invalid_grant: "The refresh token is used up, or its login has ended: one has to log in again.",
  key_revoked: "The key that signed it was compromised. Nothing that it has signed counts any more, anywhere.",
  keys_unavailable: "It has no key to check this with, and cannot fetch the key set now. The token may be good: so 503, and not 401.",
  login_ended: "The token itself is faultless. Its login has ended, and the service learnt of it by the feed, without asking anyone.",
  malformed: "It cannot be read as a token: three parts, base64url without padding, JSON without doubles.",
  missing_claim: "A claim is missing that every token must have: what is not said cannot be checked.",
  no_answer: "The door itself does not answer: it is not running, or the way there is cut.",
  no_credentials: "Nothing said whose request this is.",
  not_found: "There is nothing at this path, or nothing that you may know of.",
  rotation_too_early: "A key may sign only after every verifier has had time to fetch it.",
  token_revoked: "This one token was revoked.",
  too_many_attempts: "Somebody tried too often. The counter is shared by all replicas.",
  unknown_kid: "No key of that name is in the key set. The service looks for a new one, but not more often than every ten seconds.",
  unsupported_algorithm: "Only RS256 is taken. The verifier never lets a token say how it wants to be checked.",
  upstream_unreachable: "The gateway is there; the service behind it is not.",
  wrong_audience: "The token is genuine, and meant for another service. That is what audiences are for.",
  wrong_credentials: "Unknown account or wrong password: the answer, and the time it takes, are the same for both.",
  wrong_issuer: "Somebody else issued it.",
  wrong_type: "It is a JWT, but not an access token: a signed thing of one kind must not pass as one of another.",
};

/** @param {string} reason */
export function meaningOf(reason) {
  return MEANINGS[reason] ?? null;
}

/**
 * Make the element that explains a problem.
 *
 * @param {import("./client.js").Problem} problem
 * @returns {HTMLElement}
 */
export function explain(problem) {
  const meaning = meaningOf(problem.reason);
  return element(
    "div",
    { class: "problem", role: "alert" },
    element(
      "p",
      { class: "problem-head" },
      element("strong", {}, [problem.status, problem.title].filter(Boolean).join(" ")),
      " ",
      element("code", { class: "reason" }, problem.reason),
    ),
    element("p", {}, problem.detail),
    (problem.errors ?? []).length > 0 &&
      element("ul", {}, ...problem.errors.map((fault) => element("li", {}, element("code", {}, fault.field), `: ${fault.message}`))),
    meaning && element("p", { class: "meaning" }, meaning),
  );
}

/**
 * Do something that throws a problem when it is refused, and explain that at a place, which is empty otherwise.
 *
 * @param {HTMLElement} place
 * @param {() => Promise<void>} work
 * @returns {Promise<boolean>} whether it was done
 */
export async function attempt(place, work) {
  replace(place);
  try {
    await work();
    return true;
  } catch (problem) {
    if (problem instanceof Error) {
      throw problem; // a fault of the page, which belongs in the console
    }
    replace(place, explain(problem));
    return false;
  }
}
