// The smallest program: a sum of squares. The bench measures how long it takes from nothing to its exit.
//
//   millrace run examples/trivial.ts
//   millrace run --master local-cluster[2,1,1g] examples/trivial.ts

import { Session } from "millrace";

const session = await Session.open({ appName: "trivial" });
const sum = await session
  .parallelize([1, 2, 3, 4], 2)
  .map((x) => x * x)
  .reduce((a, b) => a + b);
console.log(sum);
await session.stop();
