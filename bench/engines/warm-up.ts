// Twenty jobs of other shapes, as peers/spark/Peer.java runs them too: what a session looks like that has done other work,
// with call sites that have seen other functions.

import type { Session } from "millrace";

const JOBS = 20;

export async function warmUp(session: Session): Promise<void> {
  const numbers = Array.from({ length: 20_000 }, (_, index) => index);
  for (let job = 0; job < JOBS; job++) {
    const rdd = session.parallelize(numbers, 2);
    switch (job % 5) {
      case 0:
        await rdd
          .map((x) => x * 2 + job)
          .filter((x) => x % 3 === 0)
          .count();
        break;
      case 1:
        await rdd
          .map((x) => [`k${x % 100}`, x])
          .reduceByKey((a, b) => a + b)
          .collect();
        break;
      case 2:
        await rdd
          .flatMap((x) => [x, x + job])
          .distinct()
          .count();
        break;
      case 3:
        await rdd.sortBy((x) => -x, true, 2).take(5);
        break;
      default:
        await rdd
          .map((x) => [x % 10, x])
          .groupByKey()
          .mapValues((values) => [...values].length)
          .collect();
    }
  }
}
