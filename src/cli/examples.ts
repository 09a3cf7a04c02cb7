// The examples that `millrace example` runs: programs of examples/, which is in the package as files, to be read and copied.

import { fileURLToPath } from "node:url";

export interface Example {
  readonly name: string;
  readonly about: string;
}

export const examples: readonly Example[] = [
  { name: "wordcount", about: "Counts how often each word stands in text files." },
  { name: "grep", about: "Finds the lines of text files that match a regular expression." },
  {
    name: "join",
    about: "Joins flights with the airports that they left from, and gives the mean delay of each state.",
  },
  { name: "sort", about: "Sorts the lines of text files by their first characters, over all files." },
  { name: "pi", about: "Estimates pi by random points in a square." },
  { name: "pagerank", about: "Ranks the nodes of a graph by PageRank." },
  {
    name: "inverted-index",
    about: "Builds an index of words: in which documents does each stand, and how often?",
  },
  { name: "kmeans-by-hand", about: "Groups the rows of a CSV file by k-means, written with plain RDD operations." },
];

/** The program's file. `from`: the URL of the bundle, which stands in dist/. */
export function exampleFile(name: string, from: string = import.meta.url): string {
  return fileURLToPath(new URL(`${name}.ts`, new URL("../examples/", from)));
}
