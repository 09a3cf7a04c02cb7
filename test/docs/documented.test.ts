// Whatever src/index.ts exports has documentation, member by member: it is what an editor shows, and the API reference.

import { expect, test } from "vitest";
import { publicMembers } from "./public-members.js";

const members = publicMembers();
const named = (name: string) => members.find((member) => member.name === name);

test("every exported thing and every public member of it is documented", () => {
  expect(members.filter(({ doc }) => doc === null).map(({ name, place }) => `${name} (${place})`)).toEqual([]);
});

test("members of the classes above are looked at too", () => {
  for (const name of ["Session.open", "Session.textFile", "RDD.map", "RDD.collect", "RDD.persist", "TaskContext.write"])
    expect(named(name), name).toBeDefined();
  expect(members.length).toBeGreaterThan(150);
});
