// node models.mjs PKG DIR: models with branches and with enrolment, as the command predicted one clip with them.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { assert, difference, readWav } from "./clips.mjs";

const [pkg, dir] = process.argv.slice(2);
const { Model } = await import(pathToFileURL(resolve(pkg, "reslstm.js")));
const load = (name) => Model.load(readFileSync(join(dir, name)));
const expected = (name) => JSON.parse(readFileSync(join(dir, name), "utf8").split("\n")[0]);

const { samples, rate } = readWav(expected("branches.jsonl").file);
const check = (model, name) => {
  const worst = difference(model.predict(samples, rate).probabilities, expected(name).probabilities);
  assert(worst <= 1e-5, `${name}: ${worst} from the command`);
};
const differ = difference(expected("profile.jsonl").probabilities, expected("enrolment.jsonl").probabilities);
assert(differ > 1e-4, "the profile changes nothing: the test says nothing");

check(await load("branches.safetensors"), "branches.jsonl");
const model = await load("enrolment.safetensors");
check(model, "enrolment.jsonl");
model.setProfile(readFileSync(join(dir, "profile.json"), "utf8"));
check(model, "profile.jsonl");
model.setProfile();
check(model, "enrolment.jsonl");
assert(model.stream(rate, { adapt: true }).push(samples).length > 0, "a stream that adapts");
console.log("models with branches and profiles: passed");
