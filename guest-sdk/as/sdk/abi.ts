// How values cross the boundary: the canonical ABI of components, for the bindings in contract.ts and of the build.
//
// What the host hands over and what it is handed are objects of the garbage collector. It runs at the beginning of a call, when the
// one before has ended: nearly every call is a fresh instance, for which it never runs.

/** A value where there may be none, for types that cannot be null. */
export class Some<T> {
  constructor(public value: T) {}
}

/** Two values. */
export class Tuple2<A, B> {
  constructor(
    public first: A,
    public second: B,
  ) {}
}

/** A value, or the reason why there is none. */
export class Result<T, E> {
  private constructor(
    readonly isOk: bool,
    private ok: T,
    private err: E,
  ) {}

  static ok<T, E>(value: T): Result<T, E> {
    return new Result<T, E>(true, value, nothing<E>());
  }

  static err<T, E>(error: E): Result<T, E> {
    return new Result<T, E>(false, nothing<T>(), error);
  }

  /** The value; a result that failed ends the call. */
  get value(): T {
    if (!this.isOk) abort("a result that failed has no value");
    return this.ok;
  }

  /** The reason; a result that succeeded ends the call. */
  get error(): E {
    if (this.isOk) abort("a result that succeeded has no error");
    return this.err;
  }
}

function nothing<T>(): T {
  if (isReference<T>()) return changetype<T>(0);
  // @ts-ignore: zero of any number
  return <T>0;
}

// @ts-ignore: a decorator of the language
@external("reeve:log/log@0.1.0", "write")
declare function write(level: i32, at: usize, length: i32): void;

/** Ends a call that cannot go on: the reason is in the daemon's log, and the hook fails. */
export function abort(message: string | null = null, file: string | null = null, line: u32 = 0, column: u32 = 0): void {
  const what = message === null ? "the policy cannot go on" : message;
  const where = file === null ? "" : ` (${file}:${line}:${column})`;
  const bytes = String.UTF8.encode(what + where);
  write(3, changetype<usize>(bytes), bytes.byteLength);
  unreachable();
}

let ended = false;

/** A call begins: what is left of the last one goes. Nothing on the stack refers to an object here. */
export function callBegins(): void {
  if (ended) {
    ended = false;
    // @ts-ignore: a function of the runtime
    __collect();
  }
}

/** A call ends. Its answer stays until the host has read it. */
export function callEnds(): void {
  ended = true;
}

/** Memory for the host to write to or read from. */
export function allocate(size: usize): usize {
  // @ts-ignore: a function of the runtime
  return __new(size, idof<ArrayBuffer>());
}

/** Memory that the host asks for. The first time of a call is before the call. */
export function cabi_realloc(old: usize, oldSize: usize, alignment: usize, size: usize): usize {
  callBegins();
  if (size == 0) return alignment;
  const block = allocate(size);
  if (oldSize != 0) memory.copy(block, old, min(oldSize, size));
  return block;
}

export function liftString(at: i32, length: i32): string {
  return String.UTF8.decodeUnsafe(<usize>at, <usize>length);
}

export function loadString(at: usize): string {
  return liftString(load<i32>(at), load<i32>(at, 4));
}

export function storeString(at: usize, value: string): void {
  const bytes = String.UTF8.encode(value);
  store<usize>(at, changetype<usize>(bytes));
  store<i32>(at, bytes.byteLength, 4);
}

export function loadBytes(at: usize): Uint8Array {
  const length = load<i32>(at, 4);
  const bytes = new Uint8Array(length);
  memory.copy(bytes.dataStart, load<usize>(at), length);
  return bytes;
}

export function storeBytes(at: usize, value: Uint8Array): void {
  store<usize>(at, value.dataStart);
  store<i32>(at, value.length, 4);
}

export function liftList<T>(at: i32, length: i32, size: usize, item: (at: usize) => T): Array<T> {
  const items = new Array<T>();
  for (let i = 0; i < length; i++) items.push(item(<usize>at + <usize>i * size));
  return items;
}

export function loadList<T>(at: usize, size: usize, item: (at: usize) => T): Array<T> {
  return liftList<T>(load<i32>(at), load<i32>(at, 4), size, item);
}

export function storeList<T>(at: usize, value: Array<T>, size: usize, item: (at: usize, it: T) => void): void {
  const items = allocate(<usize>value.length * size);
  for (let i = 0; i < value.length; i++) item(items + <usize>i * size, value[i]);
  store<usize>(at, items);
  store<i32>(at, value.length, 4);
}

export function loadOption<T>(at: usize, payload: usize, item: (at: usize) => T): T | null {
  if (load<u8>(at) == 0) return null;
  return item(at + payload);
}

export function storeOption<T>(at: usize, payload: usize, value: T | null, item: (at: usize, it: T) => void): void {
  store<u8>(at, value === null ? 0 : 1);
  if (value !== null) item(at + payload, value);
}

export function loadSome<T>(at: usize, payload: usize, item: (at: usize) => T): Some<T> | null {
  if (load<u8>(at) == 0) return null;
  return new Some<T>(item(at + payload));
}

export function storeSome<T>(at: usize, payload: usize, value: Some<T> | null, item: (at: usize, it: T) => void): void {
  store<u8>(at, value === null ? 0 : 1);
  if (value !== null) item(at + payload, value.value);
}
