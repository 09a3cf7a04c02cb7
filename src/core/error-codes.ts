// The catalogue of error codes: cause and cure of each, the one source of docs/errors.md. Whoever adds an error adds its
// row here.

interface CatalogRow {
  readonly cause: string;
  readonly cure: string;
}

const row = (cause: string, cure: string): CatalogRow => ({ cause, cure });

export const errorCatalog = {
  // Use of the API
  INVALID_ARGUMENT: row(
    "An argument has a type or value that the method does not take.",
    "Read the message: it names the argument, what was expected and what was given.",
  ),
  UNKNOWN_OPTION: row(
    "An option is not one of millrace's.",
    "Use the nearest valid name that the message gives; `millrace config` lists all.",
  ),
  INVALID_OPTION: row("An option's value cannot be read.", "Give a value of the form that the message shows."),
  INVALID_MASTER_URL: row(
    "The master URL is none of the known forms.",
    "Use local, local[N], local[*], local-cluster[workers,slots,memory] or millrace://host:port.",
  ),
  SESSION_STOPPED: row(
    "The session was stopped before or during the call.",
    "Open a new Session, or move session.stop() after the last action.",
  ),
  NOT_A_PAIR: row(
    "A pair operation met a record that is not a [key, value] array of length 2.",
    "Map the records to [key, value] before the operation.",
  ),
  INVALID_KEY: row(
    "A key holds something that cannot be compared by content: a function, symbol, Map, Set, Promise or a class instance that does not travel.",
    "Use strings, numbers, bigints, booleans, null, Dates, bytes, or arrays and plain objects of these.",
  ),
  GROUP_TOO_LARGE: row(
    "The values of one key are more than a task may hold, and they were to leave the task as one array (collect, cache, a shuffle, a text file).",
    "Combine them (reduceByKey, aggregateByKey), iterate them in a function of the program, or give workers more memory.",
  ),
  EMPTY_COLLECTION: row(
    "An action that needs at least one record ran on none (reduce, first, min, max).",
    "Use fold or aggregate with a zero value, or test with take(1).",
  ),
  NESTED_RDD: row(
    "An RDD or a Session is used inside a function that runs in a task.",
    "Collect or broadcast the inner data first; tasks cannot start jobs.",
  ),
  SYNC_FUNCTION_REQUIRED: row(
    "A function that combines, compares, hashes or partitions is async.",
    "Do the asynchronous work in a map before it.",
  ),
  // Capturing functions
  CAPTURE_FAILED: row(
    "A variable that a function uses cannot travel to a worker.",
    "Create the value inside the function, or inside mapPartitions once a partition; the message names the variable and its line.",
  ),
  MODULE_NOT_FOUND: row(
    "A worker could not load a module that a function refers to, in the same version.",
    "Install the package where the worker runs, or let millrace bundle it from the driver's project.",
  ),
  CLASS_NOT_TRAVELLING: row(
    "A record is an instance of a class that did not travel with the plan.",
    "Refer to the class in one of the job's functions, or return plain objects.",
  ),
  RECORD_NOT_ENCODABLE: row(
    "A record holds something that exists in one process only: a function, symbol, promise, generator, weak collection or native handle.",
    "Return plain data from the function; the message names the place inside the record.",
  ),
  // Running user code
  TASK_FAILED: row(
    "A function of the job threw.",
    "The message and the cause have the function's own error and stack: correct the function, or leave out what it cannot take by a filter before it.",
  ),
  WRONG_SHAPE: row(
    "A function returned something of another shape than its operation needs.",
    "Return what the message says (for flatMap: an iterable; for a pair: an array of length 2).",
  ),
  PARTITIONS_DIFFER: row(
    "RDDs that are zipped have different numbers of partitions, or of records in a partition.",
    "Repartition one of them alike, zip what was made from the same RDD by map, or join by a key.",
  ),
  INDETERMINATE_RESULT: row(
    "A lost map output was computed again and held other records than before, when what had been made of the earlier ones could not be taken back.",
    "Seed the random numbers of the functions before the operation that the message names, and keep clocks and changing state out of them; or write their result to a file and read that; or run the job again.",
  ),
  OUT_OF_MEMORY: row(
    "A slot needed more memory than the worker allows.",
    "Use more partitions, a combining operation instead of a grouping one, fewer slots, or more --memory.",
  ),
  SLOT_DIED: row(
    "The thread that ran the task ended by itself: process.exit, a native crash or an uncaught error in a callback.",
    "Remove process.exit from the function; look at the worker's log for native crashes.",
  ),
  TASK_TIMEOUT: row(
    "A task ran longer than task.timeout allows.",
    "Raise task.timeout, or find the loop that does not end: the error of the job names the stage and the partition.",
  ),
  TASK_CANCELLED: row("The task was cancelled with its job.", "Nothing: the job's own error says why."),
  // Jobs
  COMMAND_FAILED: row(
    "A command of pipe or of a streaming job could not be started, or ended with another code than 0.",
    "Read its last words in the message and run it by hand on a part of the input; a streaming job passes other codes with -D stream.non.zero.exit.is.failure=false.",
  ),
  JOB_FAILED: row(
    "A task failed as often as task.maxFailures allows, so the job was ended.",
    "Read the cause: it is the last attempt's error; the fields list every attempt.",
  ),
  JOB_CANCELLED: row(
    "The job was cancelled by its AbortSignal, with its job group or tag (the fields name them and the reason), by session.stop(), by `millrace kill` or because its driver vanished.",
    "Nothing if you asked for it; else ask who killed it (the message says), or look at the driver's log.",
  ),
  SESSION_KILLED: row(
    "Somebody ended the session with `millrace kill`, and its running jobs with it.",
    "Ask who did it: the message has the name and the reason. Run the program again when it may run.",
  ),
  RESULT_TOO_LARGE: row(
    "The results of a job are larger than driver.maxResultSize.",
    "Use toLocalIterator, saveAsTextFile, or raise driver.maxResultSize.",
  ),
  RECORD_TOO_LARGE: row(
    "One record cannot be encoded: it is larger than the format allows.",
    "Split the record, or keep a reference to its place instead of its content.",
  ),
  FETCH_FAILED: row(
    "A shuffle block could not be read from the worker that wrote it.",
    "Look at whether that worker is alive; its outputs are recomputed.",
  ),
  BLOCK_CORRUPT: row(
    "A block's checksum does not match its bytes.",
    "Check the disk of the worker that the message names; the block is recomputed.",
  ),
  NO_WORKERS: row(
    "No worker registered within scheduler.workerTimeout.",
    "Start a worker with `millrace worker --master URL`, or look at its log.",
  ),
  NO_CHECKPOINT_DIR: row(
    "The session did not know yet where to write checkpoints when checkpoint() was called.",
    "Call session.setCheckpointDir(path) first, or set the option checkpoint.dir. On several machines it has to be a shared directory.",
  ),
  CHECKPOINT_LOST: row(
    "Records of a checkpointed RDD are gone: the worker that held a block of a localCheckpoint was lost, the RDD was unpersisted, or files of a checkpoint were removed. The lineage was cut, so they cannot be computed again.",
    "Make the RDD anew from its source. Use checkpoint() instead of localCheckpoint() where workers may be lost, and keep its files as long as the program runs.",
  ),
  // Storage
  PATH_NOT_FOUND: row(
    "No file or directory is there.",
    "Check the path; relative paths are taken from the driver's working directory.",
  ),
  GLOB_MATCHED_NOTHING: row("A glob matches no file.", "Check the pattern; names that start with . or _ are hidden."),
  IS_A_DIRECTORY: row("A directory stands where a file is needed.", "Name a file, or add /* or /** to the path."),
  NOT_A_DIRECTORY: row("A file stands where a directory is needed.", "Choose another path."),
  OUTPUT_EXISTS: row(
    "The output path exists already.",
    "Remove it or choose another; millrace never overwrites an output.",
  ),
  PERMISSION_DENIED: row("The operating system refused access.", "Check owner and mode of the path."),
  DISK_FULL: row("The disk has no room left.", "Free space or set --local-dir to a larger disk."),
  READ_ONLY_FILE_SYSTEM: row("The file system is mounted read-only.", "Choose a writable path, or set --local-dir."),
  IO_ERROR: row(
    "The operating system reported an input/output error.",
    "The message has the call, the path and the system's code.",
  ),
  INVALID_TEXT: row(
    "A file read as text is not UTF-8, or a text to be written as latin1 has a character that latin1 has not.",
    'Convert the file (iconv -t UTF-8), or read it by textFile(path, { encoding: "latin1" }), which takes any bytes.',
  ),
  INVALID_FILE: row(
    "A file is not what the format says: wrong length, broken compression.",
    "The message names file and offset.",
  ),
  UNSUPPORTED_COMPRESSION: row("The file's compression is not supported.", "Decompress it first; .gz is supported."),
  UNSUPPORTED_SCHEME: row(
    "The path's scheme has no file system.",
    "Use file: paths on a disk that all workers share; the message says what else there is.",
  ),
  FILE_CHANGED: row(
    "A file changed while a job read it.",
    "Write new files beside the old ones instead of overwriting.",
  ),
  OUTPUT_NOT_SHARED: row(
    "A file: output is written by workers on machines that do not share it.",
    "Write to a directory that all workers share, such as a network mount.",
  ),
  // Processes and wire
  MASTER_UNREACHABLE: row(
    "Nothing answers at the master's address.",
    "Start it with `millrace master`, check host and port.",
  ),
  NOT_A_MASTER: row(
    "What answers at the address is not a millrace master.",
    "Check the port, and whether its cluster wants TLS (--tls).",
  ),
  VERSION_MISMATCH: row(
    "The two processes run different versions of millrace.",
    "Install the same version everywhere.",
  ),
  AUTHENTICATION_FAILED: row(
    "The two sides do not hold the same secret.",
    "Give both the same secret file or MILLRACE_SECRET.",
  ),
  PERMISSION_REFUSED: row("The caller's role may not do this.", "Use the key of a role that may."),
  INSECURE_LISTEN: row(
    "Listening beyond loopback without TLS was refused.",
    "Give --tls with certificates that `millrace certs` made, or --insecure if the network is trusted.",
  ),
  TLS_FAILED: row(
    "An encrypted connection could not be made: one side has no TLS, another authority, or a certificate without the name that was dialled.",
    "Give every process --tls with certificates of one authority, and `millrace certs --hosts` every name and address that is dialled.",
  ),
  PORT_IN_USE: row("Another process listens on the port.", "Choose another --port, or 0 for a free one."),
  MASTER_LOST: row(
    "The connection to the master ended.",
    "Look at the master's log; run the program again when it is back.",
  ),
  WORKER_LOST: row(
    "A worker's connection ended or its heartbeat stopped.",
    "Look at its log and at the machine's memory.",
  ),
  CACHE_FULL: row(
    "A worker's cache has no room for a partition that another one wanted to leave with it.",
    "Nothing is lost but time: it is offered to others, or computed again. More `memory` gives a larger cache.",
  ),
  UNKNOWN_WORKER: row(
    "The master has no worker of that name.",
    "`millrace status` lists the workers that are there, with their ids.",
  ),
  UNKNOWN_SESSION: row(
    "The master has no open session of that id.",
    "`millrace status` lists the sessions that are open, with their ids.",
  ),
  UNKNOWN_JOB: row(
    "The session has no running job of that number.",
    "`millrace status` lists the jobs that run; one that has ended cannot be killed.",
  ),
  PROTOCOL_ERROR: row(
    "A message from the other side cannot be read.",
    "Check that both sides run the same version; report it otherwise.",
  ),
  PEER_NOT_READING: row(
    "A worker or driver was cut off because it did not read what it was sent.",
    "Look whether its process hangs, and at its machine's network.",
  ),
  PROGRAM_FAILED: row(
    "The user's program could not be loaded or ended with an error.",
    "The cause has the program's own error.",
  ),
  TIMEOUT: row("Something did not answer within its deadline.", "The message names who was waited for and how long."),
  INTERNAL: row("A fault of millrace itself.", "Please report it with the message and the event log."),
} as const satisfies Record<string, CatalogRow>;

/** A stable name of a failure, to branch on. docs/errors.md has the cause, the cure and an example of each. */
export type ErrorCode = keyof typeof errorCatalog;
