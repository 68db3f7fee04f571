// Types of kv.js.

/** The text of a key; null when it was never set. */
export function getText(key: string): string | null;
/** Sets a text, as UTF-8. */
export function setText(key: string, text: string): void;
/** The value of a key from JSON; `initial` when it was never set. */
export function getJson<T>(key: string, initial?: T): T;
/** Sets a value as JSON. */
export function setJson(key: string, value: unknown): void;
/** Keys that begin with `prefix`, in byte order, at most 1000. */
export function keys(prefix: string): string[];
/** Removes a key; true when it was there. */
export function remove(key: string): boolean;
