// Functions with their captured variables: captured in the driver, shipped as bytes, revived in slots; and positions in the
// user's own sources.

export { Capturer, type CapturerOptions } from "./capture.js";
export { type AstNode, childrenOf, parserTools } from "./parser.js";
export { callSite, mapStack, registerSourceMap } from "./positions.js";
export { Reviver, type ReviverOptions } from "./revive.js";
export { type Import, registerImports } from "./script-imports.js";
