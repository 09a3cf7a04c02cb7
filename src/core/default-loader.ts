// `import()` in code that is compiled at run time, resolved as if the code stood in a file: functions revived in slots, and the
// programs of `millrace run`. Node does this by a constant that Node 20 and 22 call experimental and warn of, once a thread;
// that one line would stand in every task's output, so it is said here to nobody. Other warnings pass.

import * as vm from "node:vm";

type ImportOption = NonNullable<vm.ScriptOptions["importModuleDynamically"]>;

const constant = vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER as unknown as ImportOption;
let warned = false;

/** The `importModuleDynamically` of a script whose `filename` is the file: URL that imports are resolved from. */
export function defaultLoader(): ImportOption {
  if (!warned) {
    warned = true;
    warnNobody();
  }
  return constant;
}

/** `import()` as the file of that URL would do it. */
export function importerAt(url: string): (specifier: string, options?: object) => Promise<unknown> {
  const script = new vm.Script("(specifier, options) => import(specifier, options)", {
    filename: url,
    importModuleDynamically: defaultLoader(),
  });
  return script.runInThisContext() as (specifier: string, options?: object) => Promise<unknown>;
}

/** Node warns inside the first call, before it returns. */
function warnNobody(): void {
  const load = new vm.Script('() => import("node:vm")', { importModuleDynamically: constant });
  const { emitWarning } = process;
  const own = (warning: unknown) => String(warning).includes("USE_MAIN_CONTEXT_DEFAULT_LOADER");
  process.emitWarning = (warning: string | Error, ...rest: unknown[]) => {
    if (!own(warning)) Reflect.apply(emitWarning, process, [warning, ...rest]);
  };
  try {
    void (load.runInThisContext() as () => Promise<unknown>)();
  } finally {
    process.emitWarning = emitWarning;
  }
}
