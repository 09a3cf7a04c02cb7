// The version of this build: both sides of a connection must have the same. The build replaces the constant by
// package.json's version; on sources (tests) it is "0.0.0-source".

declare const __MILLRACE_VERSION__: string | undefined;

/** The version of this package, "0.1.0". Driver, master and workers must have the same. */
export const version: string = typeof __MILLRACE_VERSION__ === "string" ? __MILLRACE_VERSION__ : "0.0.0-source";
