// Seeds that once failed in the sources, with why: they run before every fresh range. A seed means one run of one version of the
// simulation; when that draws its chances in another way the old seed no longer meets its bug, and the machine test named with it
// is what holds.

export interface Regression {
  readonly seed: number;
  readonly why: string;
}

export const regressions: readonly Regression[] = [
  {
    seed: 9,
    why: "results that waited for an earlier partition stayed on their workers when their stage started over (test/master/indeterminacy.test.ts)",
  },
  {
    seed: 20840,
    why: "a result that was lost and computed again counted twice towards the limit of take, which then gave too few records",
  },
  {
    seed: 3032,
    why: "a task that had failed before was launched though its output had come back (test/master/task-assigner.test.ts)",
  },
  {
    seed: 147384373,
    why: "a slot went on with a run whose rest was taken back, because the next run had begun in its word: that one never ended (test/worker/tasks-in-turn.test.ts)",
  },
  {
    seed: 500580,
    why: "a partition for the disk that one task read twice was written twice to one file, which the first to be kept took away (test/cluster/cached-twice.test.ts)",
  },
  {
    seed: 502017,
    why: "a task whose cached input was gone lacked the range bounds that it then needed, and failed for good in place of being planned anew",
  },
  {
    seed: 51749481,
    why: "a result of a worker that had been given up stayed there when it came back after more than a minute (test/worker/attempt-runner)",
  },
];
