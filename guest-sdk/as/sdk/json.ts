// A reader of JSON text that is one object.

/** Kinds of values. */
export enum Kind {
  Null,
  Bool,
  Number,
  Text,
  List,
  Object,
}

/** A value and where it begins. */
export class Value {
  /** The word, the digits or the text. */
  text: string = "";
  /** The values of a list. */
  items: Array<Value> = [];

  constructor(
    readonly kind: Kind,
    readonly line: i32,
    readonly column: i32,
  ) {}
}

/** Lists and objects may lie within each other so deep. */
const DEEPEST = 32;

/** A cursor over the text. */
export class Reader {
  /** Why the text is not taken. */
  problem: string | null = null;
  private at: i32 = 0;
  private line: i32 = 1;
  private begin: i32 = 0;

  constructor(private json: string) {}

  /** Reads the whole text, which must be an object, into a map; false with a problem. */
  take(into: Map<string, Value>): bool {
    if (this.next() != 0x7b) return this.fail("it must be an object");
    if (!this.object(into, 0)) return false;
    return this.next() == -1 || this.fail("it must end after its object");
  }

  private fail(what: string): bool {
    if (this.problem === null) this.problem = `${what}, at line ${this.line} column ${this.at - this.begin + 1}`;
    return false;
  }

  /** The next character that is no blank; -1 at the end. */
  private next(): i32 {
    while (this.at < this.json.length) {
      const character = this.json.charCodeAt(this.at);
      if (character == 0x0a) {
        this.line++;
        this.begin = this.at + 1;
      } else if (character != 0x20 && character != 0x09 && character != 0x0d) {
        return character;
      }
      this.at++;
    }
    return -1;
  }

  private accept(character: i32): bool {
    if (this.next() != character) return false;
    this.at++;
    return true;
  }

  private object(into: Map<string, Value>, depth: i32): bool {
    this.at++;
    if (this.accept(0x7d)) return true;
    do {
      if (this.next() != 0x22) return this.fail("it must have a key here");
      const key = this.string();
      if (key === null) return false;
      if (into.has(key)) return this.fail(`'${key}' is there twice`);
      if (!this.accept(0x3a)) return this.fail(`'${key}' must be followed by a colon`);
      const value = this.value(depth + 1);
      if (value === null) return false;
      into.set(key, value);
    } while (this.accept(0x2c));
    return this.accept(0x7d) || this.fail("it must end with '}'");
  }

  private value(depth: i32): Value | null {
    const character = this.next();
    const column = this.at - this.begin + 1;
    if (depth > DEEPEST) {
      this.fail("it is too deep");
      return null;
    }
    if (character == 0x22) {
      const text = this.string();
      if (text === null) return null;
      const value = new Value(Kind.Text, this.line, column);
      value.text = text;
      return value;
    }
    if (character == 0x5b) return this.list(new Value(Kind.List, this.line, column), depth);
    if (character == 0x7b) return this.object(new Map<string, Value>(), depth) ? new Value(Kind.Object, this.line, column) : null;
    if (character == 0x2d || isDigit(character)) return this.number(new Value(Kind.Number, this.line, column));
    if (this.word("null")) return new Value(Kind.Null, this.line, column);
    const isTrue = this.word("true");
    if (isTrue || this.word("false")) {
      const value = new Value(Kind.Bool, this.line, column);
      value.text = isTrue ? "true" : "false";
      return value;
    }
    this.fail("it must have a value here");
    return null;
  }

  private word(word: string): bool {
    if (this.json.substr(this.at, word.length) != word) return false;
    this.at += word.length;
    return true;
  }

  private list(into: Value, depth: i32): Value | null {
    this.at++;
    if (this.accept(0x5d)) return into;
    do {
      const item = this.value(depth + 1);
      if (item === null) return null;
      into.items.push(item);
    } while (this.accept(0x2c));
    if (this.accept(0x5d)) return into;
    this.fail("a list must end with ']'");
    return null;
  }

  private character(): i32 {
    return this.at < this.json.length ? this.json.charCodeAt(this.at) : -1;
  }

  private digits(): bool {
    const begin = this.at;
    while (isDigit(this.character())) this.at++;
    return this.at > begin;
  }

  private number(into: Value): Value | null {
    const begin = this.at;
    if (this.character() == 0x2d) this.at++;
    // A number does not begin with 0, unless that is all before the point.
    const zero = this.character() == 0x30;
    const first = this.at;
    let good = this.digits() && (!zero || this.at == first + 1);
    if (this.character() == 0x2e) {
      this.at++;
      good = this.digits() && good;
    }
    if ((this.character() | 0x20) == 0x65) {
      this.at++;
      if (this.character() == 0x2b || this.character() == 0x2d) this.at++;
      good = this.digits() && good;
    }
    if (!good) {
      this.fail("a number is not written as JSON has it");
      return null;
    }
    into.text = this.json.substring(begin, this.at);
    return into;
  }

  private string(): string | null {
    let text = "";
    this.at++;
    let begin = this.at;
    while (true) {
      const character = this.character();
      if (character == 0x22) {
        text += this.json.substring(begin, this.at);
        this.at++;
        return text;
      }
      if (character < 0x20) {
        this.fail(character == -1 ? "a text has no end" : "a text has a control character that is not escaped");
        return null;
      }
      this.at++;
      if (character != 0x5c) continue;
      text += this.json.substring(begin, this.at - 1);
      const escaped = this.escape();
      if (escaped === null) {
        this.fail("a text has an escape that JSON does not know");
        return null;
      }
      text += escaped;
      begin = this.at;
    }
  }

  /** The text of an escape, behind its backslash. */
  private escape(): string | null {
    const character = this.character();
    this.at++;
    switch (character) {
      case 0x22: return "\"";
      case 0x5c: return "\\";
      case 0x2f: return "/";
      case 0x62: return "\b";
      case 0x66: return "\f";
      case 0x6e: return "\n";
      case 0x72: return "\r";
      case 0x74: return "\t";
      case 0x75: break;
      default: return null;
    }
    const unit = this.hexadecimal();
    if (unit < 0 || (unit >= 0xdc00 && unit < 0xe000)) return null;
    if (unit < 0xd800 || unit >= 0xe000) return String.fromCharCode(unit);
    if (this.character() != 0x5c || this.json.charCodeAt(this.at + 1) != 0x75) return null;
    this.at += 2;
    const low = this.hexadecimal();
    return low >= 0xdc00 && low < 0xe000 ? String.fromCharCode(unit, low) : null;
  }

  /** Four digits; -1 where there are none. */
  private hexadecimal(): i32 {
    let number = 0;
    for (let i = 0; i < 4; i++) {
      const character = this.character();
      const letter = (character | 0x20) - 0x61;
      if (isDigit(character)) number = number * 16 + character - 0x30;
      else if (letter >= 0 && letter < 6) number = number * 16 + letter + 10;
      else return -1;
      this.at++;
    }
    return number;
  }
}

function isDigit(character: i32): bool {
  return character >= 0x30 && character <= 0x39;
}
