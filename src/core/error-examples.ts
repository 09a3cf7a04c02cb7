// A message of each error code as its user meets it, for docs/errors.md. Nothing imports this but scripts/docs.mjs and tests:
// test/docs/error-examples.test.ts finds the place in the sources that writes each message.

import type { ErrorCode } from "./error-codes.js";

export const errorExamples: Readonly<Record<ErrorCode, string>> = {
  INVALID_ARGUMENT: "take: n must be an integer of at least 0, found the number -1",
  UNKNOWN_OPTION: "Session.open has the unknown option mastr: did you mean master?",
  INVALID_OPTION:
    "no secret is configured: give --secret-file, set MILLRACE_SECRET, or copy the master's /home/ada/.millrace/secret here",
  INVALID_MASTER_URL:
    'the master URL "spark://node1:7077" is not valid: Spark\'s masters speak another protocol. Use local, local[N], local[*], ...',
  SESSION_STOPPED: "count: the session was stopped",
  NOT_A_PAIR:
    'reduceByKey at counts.ts:6:4 needs records of the form [key, value], but partition 0 has the string "two words"',
  INVALID_KEY: "sortBy at counts.ts:6:4, partition 0: a key is a Map, which cannot be compared by content",
  GROUP_TOO_LARGE:
    'groupByKey at visits.ts:67:6, partition 1: the key "giant" has 99900 values of about 39.1 MiB, more than the 19.2 MiB that a task may hold, and they are to leave the task as one array; combine them (reduceByKey, aggregateByKey), iterate them in a function (mapValues, flatMap), or give the worker more memory',
  EMPTY_COLLECTION: "reduce needs at least one record, and the RDD has none",
  NESTED_RDD:
    "the function uses an RDD, which exists in the driver only: a task cannot start jobs. Collect what is needed before and use the plain value, or session.broadcast(value) if it is large",
  SYNC_FUNCTION_REQUIRED:
    "reduceByKey: fn is an async function, but its results are needed at once. Do the asynchronous work in a map before",
  CAPTURE_FAILED:
    "the variable socket used by `(word) => socket.readyState + word` (/home/ada/counts.ts:9:36), given to map, is a Socket, which belongs to this process; it cannot travel to a worker. Create it inside the function, or inside mapPartitions once a partition.",
  MODULE_NOT_FOUND:
    "a captured function uses the module left-pad (left-pad@1.3.0), which cannot be loaded here: it is not installed",
  CLASS_NOT_TRAVELLING:
    "collect at counts.ts:26:4, partition 0: a record is an instance of class Visit, which did not travel with the plan",
  RECORD_NOT_ENCODABLE: "a record holds at then a function then, which lives in one process only",
  TASK_FAILED:
    "map at counts.ts:5:57 threw in partition 0: SyntaxError: Unexpected token '/', \"/home 0\" is not valid JSON",
  WRONG_SHAPE:
    "the function of flatMap at counts.ts:5:4 must return an iterable, but in partition 0 it returned the number 7",
  PARTITIONS_DIFFER:
    "zip at counts.ts:8:14: the RDDs must have the same number of partitions, but they have 2 and 3; repartition one of them",
  INDETERMINATE_RESULT:
    'job 4 failed: partition 7 of "map at noise.ts:4:4" was computed again after its output was lost, and gave other records than before, so that "reduceByKey at noise.ts:5:4" would have to start over, but the user has seen records of it already. Seed the random numbers of the functions before "map at noise.ts:4:4" (or leave out the clock and state of their own), or save their result to a file and read it from there, or run the job again',
  OUT_OF_MEMORY:
    "slot 1, with partition 0 of map at counts.ts:48:48, was ended because the worker held 570 MiB of the 512 MiB that it may use; its operators had reserved nothing, so what filled memory was made by functions of the program; use more partitions, a combining operation instead of a grouping one, fewer slots, or more memory",
  SLOT_DIED:
    "the thread of slot 0 ended with exit code 1 while it ran a task: a function of the task called process.exit, or a native module failed",
  TASK_TIMEOUT: "the task s-1/2/0/7/0 ran longer than task.timeout (30000 ms)",
  TASK_CANCELLED: "the task was cancelled with its job",
  COMMAND_FAILED:
    "the command awk -f words.awk exited with code 2; its last words: awk: can't open file words.awk (No such file or directory)",
  JOB_FAILED:
    'map at counts.ts:5:31 threw in partition 0: SyntaxError: Unexpected end of JSON input (job 1 failed: partition 0 of "count at counts.ts:7:9" failed 4 times; the last time on worker one)',
  JOB_CANCELLED: "collect was cancelled by its AbortSignal",
  SESSION_KILLED: "session s1-lq3x (counts) was killed by ada (millrace kill): it fills the disks",
  RESULT_TOO_LARGE: "the results of job 3 are larger than 1073741824 bytes (driver.maxResultSize)",
  RECORD_TOO_LARGE:
    "a record, or the batch it is in, takes at least 2147484672 bytes encoded; the format ends at 2147483647",
  FETCH_FAILED: "the block server 10.0.0.7:41023 cannot be reached: connect ECONNREFUSED 10.0.0.7:41023",
  BLOCK_CORRUPT: "a frame of 65536 bytes does not match its checksum",
  NO_WORKERS: "no worker was there for 60 s while job 1 had tasks to run",
  NO_CHECKPOINT_DIR:
    "checkpoint: the session has no directory for checkpoints. Call session.setCheckpointDir(path) before, or set the option checkpoint.dir; localCheckpoint() needs none",
  CHECKPOINT_LOST:
    "partition 3 of the RDD of map at ranks.ts:14:12, locally checkpointed, is gone: the worker that held it was lost, or the RDD was unpersisted. Its lineage was cut, so it cannot be computed again; checkpoint() keeps it in files",
  PATH_NOT_FOUND: "there is no file or directory /home/ada/logs/none.txt",
  GLOB_MATCHED_NOTHING: "no file matches /home/ada/logs/*.txt",
  IS_A_DIRECTORY: "cannot open /home/ada/logs: it is a directory, a file was expected",
  NOT_A_DIRECTORY: "cannot make the directory /home/ada/out: a file is there",
  OUTPUT_EXISTS: "the output /home/ada/out/counts exists already",
  PERMISSION_DENIED:
    "the secret file /etc/millrace/secret has mode 0644, so others may read it: chmod 600 /etc/millrace/secret",
  DISK_FULL:
    "every worker was short of disk space for 60 s while job 5 had tasks to run (one, two): free space under their --local-dir, or lower disk.minFree",
  READ_ONLY_FILE_SYSTEM:
    "the worker's directory /mnt/mill/millrace-one cannot be used: EROFS: read-only file system, mkdir '/mnt/mill/millrace-one'; set --local-dir to a writable one",
  IO_ERROR: "cannot write /mnt/mill/out/part-00003: EIO: i/o error, write (EIO)",
  INVALID_TEXT: "/home/ada/logs/latin1.txt is not UTF-8 text: byte 1207 does not fit",
  INVALID_FILE: "/home/ada/out/part-00000 is no valid object file: it ends in the middle of a segment",
  UNSUPPORTED_COMPRESSION:
    "/home/ada/logs/a.zst is compressed with zstd, which cannot be read yet: decompress it, or recompress it with gzip",
  UNSUPPORTED_SCHEME:
    "hdfs://node1/logs: hdfs: has no file system here; Hadoop's file system is not supported: copy the files to a disk that all workers share",
  FILE_CHANGED: "/home/ada/logs/today.txt changed while a job read it: it has 5120 bytes, 4096 were planned",
  OUTPUT_NOT_SHARED: "the output directory /home/ada/out that the job made cannot be seen by this worker",
  MASTER_UNREACHABLE: "nothing answers at 10.0.0.5:7077 (waited at most 10000 ms)",
  NOT_A_MASTER: "what answers at 10.0.0.5:80 does not speak millrace",
  VERSION_MISMATCH: "the worker runs millrace 0.2.0, the master 0.1.0",
  AUTHENTICATION_FAILED: "10.0.0.5:7077 does not hold the same secret as this process",
  PERMISSION_REFUSED: "worker one may not register as two",
  INSECURE_LISTEN:
    "listening on 0.0.0.0 would send data unencrypted over a network; give --tls with certificates (millrace certs makes them), --insecure if that network is trusted, or --host 127.0.0.1",
  TLS_FAILED:
    "no encrypted connection with 10.0.0.5:7077: self-signed certificate in certificate chain; both sides need --tls with certificates of one authority, and the one that is dialled a certificate for the name or address that was used",
  PORT_IN_USE: "another process listens on 127.0.0.1:7077",
  MASTER_LOST: "the connection to the master ended: the master is shutting down",
  WORKER_LOST: "worker two was lost while it ran the task: the connection from worker two ended",
  CACHE_FULL: "the cache of worker two has no room for partition 3 of RDD 7",
  UNKNOWN_WORKER: "this master has no worker tow: there are one, two",
  UNKNOWN_SESSION: "this master has no session s7: open are s1-lq3x, s2-m04f",
  UNKNOWN_JOB: "session s1-lq3x has no running job 9: those that run are 3, 4",
  PROTOCOL_ERROR: "the master has no blob 9f2c",
  PEER_NOT_READING:
    "worker two did not read its control stream: 67109376 bytes waited for it, at most 67108864 may. It hangs, or its machine or network is too slow",
  PROGRAM_FAILED: "/home/ada/counts.py is not a program: expected a .ts, .mts, .cts, .js, .mjs or .cjs file",
  TIMEOUT: "the master did not open the session within 60000 ms",
  INTERNAL: "task s-1/2/0/7/0 is succeeded and cannot start; its last moves: launch, succeed",
};
