// The policy's own configuration, which the operator writes and every call carries.
//
//   const SETTINGS = { memoryOvercommit: number(1.5), hostReserveMib: optional(integer()) };
//   const limits = ctx.parseConfig(SETTINGS);     // "memory-overcommit" in the configuration is limits.memoryOvercommit
//
// Every key has a default, a key nobody knows is an error, and so is a value of another type.

/** The operator's configuration does not fit the policy. */
export class ConfigError extends Error {
  name = "ConfigError";
  constructor(what) {
    super(`the policy's configuration is not valid: ${what}`);
  }
}

const kind = (expected, fits, initial) => ({ expected, fits, initial });

/** true or false. */
export const boolean = (initial = false) => kind("true or false", (value) => typeof value === "boolean", initial);

/** Any finite number. */
export const number = (initial = 0) => kind("a number", (value) => typeof value === "number", initial);

/** A whole number from 0. JavaScript can't tell `5.0` from `5`, so both are taken. */
export const integer = (initial = 0) =>
  kind("a whole number, 0 or more", (value) => Number.isInteger(value) && value >= 0, initial);

/** A text. */
export const text = (initial = "") => kind("a text", (value) => typeof value === "string", initial);

/** A list, of texts unless something else is said. */
export const list = (of = text(), initial = []) =>
  kind(`a list, each ${of.expected}`, (value) => Array.isArray(value) && value.every(of.fits), initial);

/** Something that may be left out or be null; then it is null. */
export const optional = (of) => kind(`${of.expected}, or null`, (value) => value === null || of.fits(value), null);

const kebab = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The configuration `json` by `settings`: camelCase names to what they take. */
export function parse(json, settings) {
  let given;
  try {
    given = JSON.parse(json);
  } catch (error) {
    throw new ConfigError(error.message);
  }
  if (given === null || typeof given !== "object" || Array.isArray(given)) {
    throw new ConfigError(`expected an object, found ${shown(given)}`);
  }
  const known = new Map(Object.keys(settings).map((name) => [kebab(name), name]));
  const config = {};
  for (const [name, setting] of Object.entries(settings)) {
    config[name] = Array.isArray(setting.initial) ? [...setting.initial] : setting.initial;
  }
  for (const [key, value] of Object.entries(given)) {
    const name = known.get(key);
    if (name === undefined) {
      const keys = [...known.keys()].map((name) => `\`${name}\``);
      throw new ConfigError(`unknown field \`${key}\`, expected ${keys.length > 1 ? "one of " : ""}${keys.join(", ")}`);
    }
    if (!settings[name].fits(value)) {
      throw new ConfigError(`\`${key}\` takes ${settings[name].expected}, not ${shown(value)}`);
    }
    config[name] = value;
  }
  return config;
}

function shown(value) {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
