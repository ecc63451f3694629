/** What stands in a Set-Cookie line, and what each part of it is for. [RFC 6265bis] */

import { spoken } from "./countdown.js";
import { element } from "./dom.js";

/** @type {Record<string, (value: string) => string>} */
const MEANINGS = {
  "max-age": (value) =>
    `The browser forgets it after ${value} seconds (${spoken(Number(value))}). On the wire it is seconds; Express's option of that name is milliseconds.`,
  path: (value) => (value === "/" ? "Goes along with requests for every path of this host. The __Host- prefix asks for that." : `Goes along below ${value} only.`),
  secure: () => "Goes along over TLS only. Browsers count http://localhost as secure, so that this works without a certificate here.",
  httponly: () => "No script can read it, this one included. Code that got into the page could use it from here, but not carry it away.",
  samesite: (value) =>
    value === "Strict"
      ? "Never goes along when another site's page asks, not even for a link. Ports of one host are one site: for those the gateway reads Sec-Fetch-Site."
      : "Goes along with links from other sites, and with nothing else of theirs. Ports of one host are one site.",
};

/**
 * Explain a line, each part where it stands.
 *
 * @param {string} line such as `__Host-name=…; Max-Age=300; Path=/; Secure; HttpOnly; SameSite=Strict`
 * @returns {HTMLElement}
 */
export function explainedCookie(line) {
  const [pair, ...attributes] = line.split("; ");
  const [name] = pair.split("=");
  const parts = [[pair, nameMeaning(name)]];
  for (const attribute of attributes) {
    const [key, value = ""] = attribute.split("=");
    parts.push([attribute, MEANINGS[key.toLowerCase()]?.(value) ?? "The browser's own rules for it apply."]);
  }
  return element(
    "dl",
    { class: "terms cookie-parts" },
    ...parts.map(([part, meaning]) => element("div", {}, element("dt", {}, part), element("dd", {}, meaning))),
  );
}

function nameMeaning(name) {
  const what = name.endsWith("-refresh")
    ? "The refresh token: opaque, good for the next access token, used by the gateway alone."
    : name.endsWith("-access")
      ? "The access token itself, about a kilobyte: the same JWT as in the bearer way, in another envelope."
      : "The session's id: random, and nothing else. All that it stands for lies with the server.";
  return `${what} By its prefix, __Host-, the browser takes it only from this very host, over TLS, for all paths: no sibling domain can plant one.`;
}
