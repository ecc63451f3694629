/** A JWT as bytes: three parts, two of them JSON in base64url. Reading one says nothing about whether it is true. */

/** @param {Uint8Array|ArrayBuffer} bytes */
export function base64url(bytes) {
  let text = "";
  for (const byte of new Uint8Array(bytes)) {
    text += String.fromCharCode(byte);
  }
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {string} text @returns {Uint8Array} */
export function bytesOf(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}

/** @param {object} members @returns {string} one part of a token */
export function part(members) {
  return base64url(new TextEncoder().encode(JSON.stringify(members)));
}

/**
 * Take a token apart; null if it cannot be read.
 *
 * @param {string} token
 * @returns {{parts: string[], header: Record<string, any>, payload: Record<string, any>}|null}
 */
export function takenApart(token) {
  const parts = token.split(".");
  try {
    const [header, payload] = parts.slice(0, 2).map((each) => JSON.parse(new TextDecoder().decode(bytesOf(each))));
    return parts.length === 3 ? { parts, header, payload } : null;
  } catch {
    return null;
  }
}
