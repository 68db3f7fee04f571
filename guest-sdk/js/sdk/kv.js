// Texts in the policy's key-value store; needs the grant `kv:use`. Bytes are in "reeve:kv/store@0.1.0" itself.

import * as store from "reeve:kv/store@0.1.0";

/** The text of a key; null when it was never set. */
export function getText(key) {
  const bytes = store.get(key);
  return bytes === null || bytes === undefined ? null : decode(bytes);
}

/** Sets a text, as UTF-8. */
export function setText(key, text) {
  store.set(key, encode(text));
}

/** The value of a key from JSON; `initial` when it was never set. */
export function getJson(key, initial = null) {
  const text = getText(key);
  return text === null ? initial : JSON.parse(text);
}

/** Sets a value as JSON. */
export function setJson(key, value) {
  setText(key, JSON.stringify(value));
}

export { keys } from "reeve:kv/store@0.1.0";

/** Removes a key; true when it was there. */
export const remove = (key) => store.delete(key);

// The engine has no TextEncoder; percent-encoding is UTF-8 too.
function encode(text) {
  const escaped = encodeURIComponent(text);
  const bytes = [];
  for (let at = 0; at < escaped.length; at += 1) {
    if (escaped[at] === "%") {
      bytes.push(Number.parseInt(escaped.slice(at + 1, at + 3), 16));
      at += 2;
    } else {
      bytes.push(escaped.charCodeAt(at));
    }
  }
  return new Uint8Array(bytes);
}

function decode(bytes) {
  const escaped = Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, "0")}`);
  return decodeURIComponent(escaped.join(""));
}
