// Types of config.js.

/** What one key takes. */
export interface Setting<T> {
  /** In words. */
  expected: string;
  fits(value: unknown): boolean;
  /** The default. */
  initial: T;
}

/** All keys, in camelCase; in the configuration they are in kebab-case. */
export type Settings = Record<string, Setting<unknown>>;

/** The configuration of such settings. */
export type Values<S extends Settings> = { [K in keyof S]: S[K] extends Setting<infer T> ? T : never };

/** The operator's configuration does not fit the policy. */
export class ConfigError extends Error {
  constructor(what: string);
}

/** true or false. */
export function boolean(initial?: boolean): Setting<boolean>;
/** Any finite number. */
export function number(initial?: number): Setting<number>;
/** A whole number from 0. JavaScript can't tell `5.0` from `5`, so both are taken. */
export function integer(initial?: number): Setting<number>;
/** A text. */
export function text(initial?: string): Setting<string>;
/** A list, of texts unless something else is said. */
export function list<T = string>(of?: Setting<T>, initial?: T[]): Setting<T[]>;
/** Something that may be left out or be null; then it is null. */
export function optional<T>(of: Setting<T>): Setting<T | null>;

/** The configuration `json` by `settings`. Throws a ConfigError. */
export function parse<S extends Settings>(json: string, settings: S): Values<S>;
