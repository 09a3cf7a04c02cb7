// The variables of a prompt: properties of one object without a prototype, which stands around each line by `with`. So a line
// sees what earlier ones declared, functions typed at the prompt capture it (V8 shows the object among their scopes), a name
// may be declared again, and nothing that a user calls `process` or `performance` gets into the way of millrace, as it would
// on the global object.

export interface DeclaredName {
  readonly name: string;
  /** Cannot be assigned once its line has run. */
  readonly constant: boolean;
}

export class Variables {
  /** What `with` is given. */
  readonly scope: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  readonly #given: Readonly<Record<string, unknown>>;

  /** `given` is there from the start, and again after `clear`. */
  constructor(given: Readonly<Record<string, unknown>>) {
    this.#given = given;
    Object.assign(this.scope, given);
  }

  get names(): readonly string[] {
    return Object.keys(this.scope);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.scope, name);
  }

  set(name: string, value: unknown): void {
    Object.defineProperty(this.scope, name, { value, writable: true, enumerable: true, configurable: true });
  }

  /**
   * Makes the names assignable, before their line runs: what they had until then they keep for now. Gives what must be called
   * when the line is over: constants get fixed, and names that the line did not come to are gone again.
   */
  declare(names: readonly DeclaredName[]): (succeeded: boolean) => void {
    const fresh = new Set(names.filter(({ name }) => !this.has(name)).map(({ name }) => name));
    for (const { name } of names) this.set(name, this.scope[name]);
    return (succeeded) => {
      for (const { name, constant } of names) {
        if (!this.has(name)) continue;
        if (!succeeded && fresh.has(name) && this.scope[name] === undefined) delete this.scope[name];
        else if (constant) Object.defineProperty(this.scope, name, { writable: false });
      }
    };
  }

  /** As at the start. */
  clear(): void {
    for (const name of this.names) delete this.scope[name];
    for (const [name, value] of Object.entries(this.#given)) this.set(name, value);
  }
}
