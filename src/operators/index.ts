// The data work of a task: generated loops, combining, sorting, joining, and the outputs of a stage.

export { runFragment } from "./run-fragment.js";
export type {
  BatchSource,
  FragmentResult,
  MaybePromise,
  MutableTaskMetrics,
  SplitOpener,
  TaskContext,
} from "./task-context.js";
