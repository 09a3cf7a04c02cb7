// The registry of travelling classes as the codec's users know it; it lives in core because closure/ fills it.

export { type ClassConstructor, type ClassRegistry, noClasses } from "../core/class-registry.js";
