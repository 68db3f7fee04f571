// The reader of configurations, against good, bad and hostile text, and the host of tests.

import { Lease, NewVolume, networks, volumes } from "./sdk/reeve";
import { Settings } from "./sdk/settings";
import { check, equal, network, newHost, port, volume } from "./sdk/testing";

/** Reads all keys; the first problem without its beginning, or nothing. */
function read(json: string): string {
  const settings = new Settings(json);
  settings.boolean("flag", false);
  settings.integer("number", 7);
  settings.optionalInteger("maybe");
  settings.number("real", 0);
  settings.text("text", "default");
  settings.texts("texts");
  const problem = settings.problem();
  return problem === null ? "" : problem.replace("the policy's configuration is not valid: ", "");
}

export function whatFitsIsRead(): void {
  const settings = new Settings(
    ' {"flag": true, "number": 18446744073709551615, "maybe": 0, "real": -1.5e2, "text": "\\u00e9\\ud83d\\ude00\\n", "texts": ["a", ""]} ',
  );
  check(settings.boolean("flag", false), "flag");
  check(settings.integer("number", 7) == u64.MAX_VALUE, "number");
  check(settings.optionalInteger("maybe")!.value == 0, "maybe");
  check(settings.number("real", 0) == -150, "real");
  equal(settings.text("text", ""), "\u00e9\ud83d\ude00\n");
  equal(settings.texts("texts").join("-"), "a-");
  check(settings.problem() === null, "no problem");
  const empty = new Settings("{}");
  check(empty.integer("number", 7) == 7 && empty.optionalInteger("maybe") === null, "defaults");
  check(new Settings('{"maybe": null}').optionalInteger("maybe") === null, "null");
}

export function whatDoesNotFitIsNamed(): void {
  const cases: Array<Array<string>> = [
    ["", "it must be an object, at line 1 column 1"],
    ["[]", "it must be an object, at line 1 column 1"],
    ["{", "it must have a key here, at line 1 column 2"],
    ['{"flag":true', "it must end with '}', at line 1 column 13"],
    ['{"flag":true}}', "it must end after its object, at line 1 column 14"],
    ['{"flag":true,}', "it must have a key here, at line 1 column 14"],
    ['{"flag" true}', "'flag' must be followed by a colon, at line 1 column 9"],
    ['{\n  "flag": 1}', "'flag' must be true or false, at line 2 column 11"],
    ['{"flag":null}', "'flag' must be true or false, at line 1 column 9"],
    ['{"flag":true,"flag":true}', "'flag' is there twice, at line 1 column 20"],
    ['{"falg":true}', "'falg' is no key of it; there are flag, number, maybe, real, text, texts"],
    ['{"number":-1}', "'number' must be a whole number, 0 or more, at line 1 column 11"],
    ['{"number":1.0}', "'number' must be a whole number, 0 or more, at line 1 column 11"],
    ['{"number":01}', "a number is not written as JSON has it, at line 1 column 13"],
    ['{"number":18446744073709551616}', "'number' must be a whole number, 0 or more, at line 1 column 11"],
    ['{"real":1e999}', "'real' must be a number that is not too large, at line 1 column 9"],
    ['{"real":"2"}', "'real' must be a number, at line 1 column 9"],
    ['{"real":1.}', "a number is not written as JSON has it, at line 1 column 11"],
    ['{"text":"a', "a text has no end, at line 1 column 11"],
    ['{"text":"a\\', "a text has an escape that JSON does not know, at line 1 column 13"],
    ['{"text":"\\ud800"}', "a text has an escape that JSON does not know, at line 1 column 16"],
    ['{"text":"a\tb"}', "a text has a control character that is not escaped, at line 1 column 11"],
    ['{"texts":["a"', "a list must end with ']', at line 1 column 14"],
    ['{"texts":["a",2]}', "'texts' must be a list of texts, at line 1 column 15"],
  ];
  for (let i = 0; i < cases.length; i++) equal(read(cases[i][0]), cases[i][1]);
}

export function noBeginningOfAGoodTextIsGood(): void {
  const whole = '{"flag":false,"number":12,"maybe":null,"real":1.5e3,"text":"\\ud83d\\ude00","texts":["a"]}';
  equal(read(whole), "");
  for (let length = 0; length < whole.length; length++) check(read(whole.substring(0, length)) != "", whole.substring(0, length));
}

export function depthIsBounded(): void {
  equal(read('{"texts":' + "[".repeat(100000)), "it is too deep, at line 1 column 42");
}

export function networksAndTheirPortsAreFoundByName(): void {
  const host = newHost();
  host.networks = [network("blue")];
  host.ports = [port("blue", "tap0"), port(null, "tap1")];
  host.leases = [new Lease(null, "192.0.2.9", null, null)];
  host.counters.sentPackets = 3;
  check(networks.list().value.length == 1, "one network");
  check(networks.ports("blue").value.length == 1, "one port");
  check(networks.leases("blue").value.length == 1, "one lease");
  check(networks.portCounters("blue", "tap0").value.sentPackets == 3, "its counters");
  equal(networks.portCounters("blue", "tap1").error.message, "there is no port 'tap1'");
  equal(networks.leases("red").error.message, "there is no network 'red'");
}

export function volumesAreMadeAndDeleted(): void {
  const host = newHost();
  host.volumes = [volume("blue", "a", 7)];
  check(volumes.create("blue", new NewVolume("b", 5, null, "raw")).value.capacity == 5, "made");
  check(volumes.copy("blue", "b", "c").isOk && volumes.delete("blue", "a") === null, "copied and deleted");
  check(!volumes.resize("blue", "b", 1, false).isOk, "it does not shrink unasked");
  check(volumes.list("blue").value.length == 2, "two are left");
  equal(host.calls.join(", "), "create blue b 5, copy blue b c, delete blue a");
  equal(volumes.get("blue", "a").error.message, "pool 'blue' has no volume 'a'");
}
