// The operator's configuration, which every call carries.
//
//     const settings = new Settings(ctx.config);
//     const least = settings.integer("min-memory-mib", 128);
//     const problem = settings.problem();
//     if (problem !== null) return fail<Verdict>(problem);
//
// Every key has a default. A key that was not asked for, one that is there twice and a value of another kind are problems whose
// sentence names the key, line and column.

import { Some } from "./abi";
import { Kind, Reader, Value } from "./json";

/** A configuration, read key by key. */
export class Settings {
  private values: Map<string, Value> = new Map<string, Value>();
  private known: Array<string> = [];
  private first: string | null = null;

  constructor(json: string) {
    const reader = new Reader(json);
    if (!reader.take(this.values)) this.first = reader.problem;
  }

  /** The first problem; ask when all keys have been read. */
  problem(): string | null {
    const keys = this.values.keys();
    for (let i = 0; i < keys.length; i++) {
      if (!this.known.includes(keys[i])) this.fail(`'${keys[i]}' is no key of it; there are ${this.known.join(", ")}`);
    }
    const first = this.first;
    return first === null ? null : `the policy's configuration is not valid: ${first}`;
  }

  /** true or false. */
  boolean(key: string, initial: bool): bool {
    const value = this.of(key, Kind.Bool, "true or false");
    return value === null ? initial : value.text == "true";
  }

  /** A whole number, 0 or more. */
  integer(key: string, initial: u64): u64 {
    const value = this.of(key, Kind.Number, "a whole number, 0 or more");
    return value === null ? initial : this.whole(key, value);
  }

  /** A whole number, 0 or more; null where it is null or not there. */
  optionalInteger(key: string): Some<u64> | null {
    if (this.values.has(key) && this.values.get(key).kind == Kind.Null) {
      this.known.push(key);
      return null;
    }
    const value = this.of(key, Kind.Number, "a whole number, 0 or more, or null");
    return value === null ? null : new Some<u64>(this.whole(key, value));
  }

  /** A number. */
  number(key: string, initial: f64): f64 {
    const value = this.of(key, Kind.Number, "a number");
    if (value === null) return initial;
    const number = parseFloat(value.text);
    if (!isFinite(number)) this.wrong(key, value, "a number that is not too large");
    return number;
  }

  /** A text. */
  text(key: string, initial: string): string {
    const value = this.of(key, Kind.Text, "a text");
    return value === null ? initial : value.text;
  }

  /** A list of texts; empty when it is not there. */
  texts(key: string): Array<string> {
    const value = this.of(key, Kind.List, "a list of texts");
    const texts: Array<string> = [];
    if (value === null) return texts;
    for (let i = 0; i < value.items.length; i++) {
      const item = value.items[i];
      if (item.kind != Kind.Text) this.wrong(key, item, "a list of texts");
      texts.push(item.text);
    }
    return texts;
  }

  /** The value of a key, if it is of this kind. */
  private of(key: string, kind: Kind, expected: string): Value | null {
    this.known.push(key);
    if (!this.values.has(key)) return null;
    const value = this.values.get(key);
    if (value.kind == kind) return value;
    this.wrong(key, value, expected);
    return null;
  }

  private whole(key: string, value: Value): u64 {
    let number: u64 = 0;
    for (let i = 0; i < value.text.length; i++) {
      const digit = <u64>value.text.charCodeAt(i) - 48;
      if (digit > 9 || number > (u64.MAX_VALUE - digit) / 10) {
        this.wrong(key, value, "a whole number, 0 or more");
        return 0;
      }
      number = number * 10 + digit;
    }
    return number;
  }

  private wrong(key: string, value: Value, expected: string): void {
    this.fail(`'${key}' must be ${expected}, at line ${value.line} column ${value.column}`);
  }

  private fail(problem: string): void {
    if (this.first === null) this.first = problem;
  }
}
