#!/usr/bin/env bash
# Installs the peers of the bench beside this file: Apache Spark by way of pyspark (its jars) and DuckDB, in a virtual environment.
# Spark needs a JDK 17 on the path as well (javac compiles spark/Peer.java); python needs 3.10 or newer.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
[ -x "$here/.venv/bin/python" ] || python3 -m venv "$here/.venv"
"$here/.venv/bin/python" -m pip install --quiet --disable-pip-version-check "pyspark==4.1.*" "duckdb==2.*"
"$here/.venv/bin/python" -c 'import duckdb, pyspark; print("pyspark", pyspark.__version__, "duckdb", duckdb.__version__)'
